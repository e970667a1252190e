"""Object store for sources, renditions and weights: a folder or S3, chosen by the scheme of a URL."""

from shared.store.base import ObjectInfo, ObjectStore, ObjectTooLarge, StoreOptions
from shared.store.url import open_store

__all__ = ["ObjectInfo", "ObjectStore", "ObjectTooLarge", "StoreOptions", "open_store"]
