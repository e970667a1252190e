"""The commands of ``atelier``, one file for each group: parse, call, print."""
