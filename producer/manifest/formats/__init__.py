"""Formats of manifests, one file each."""
