"""The formats that manifests are read from, one file each."""
