"""The merchant's input: rows of (sku, image, …) from folders, files, patterns, CSV, JSONL and S3 prefixes.

Nothing here touches the network or a database.
"""

from producer.manifest.manifest import Manifest
from producer.manifest.opening import open_manifest
from producer.manifest.row import ManifestRow

__all__ = ["Manifest", "ManifestRow", "open_manifest"]
