"""Read the merchant's input: rows of (sku, image, …) from folders, files, patterns, feeds, archives and S3 prefixes.

Nothing here uses the network or a database.
"""

from producer.manifest.manifest import Manifest
from producer.manifest.opening import open_manifest
from producer.manifest.row import ManifestRow

__all__ = ["Manifest", "ManifestRow", "open_manifest"]
