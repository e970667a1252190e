"""Names of the files that Atelier writes: reports, and ways of naming renditions."""

from __future__ import annotations

from collections.abc import Collection

RESULTS_CSV = "results.csv"
ERRORS_CSV = "errors.csv"
GALLERY_HTML = "gallery.html"
RULES_CSV = "rules.csv"

BY_SKU = "sku"
BY_SOURCE = "source"
NAMES = (BY_SKU, BY_SOURCE)
"""``SKU-POSITION-style``, or as the photo is called, in a folder for each look if there are several."""


def usual_names(columns: Collection[str]) -> str:
    """Return how renditions are named unless somebody says it: after the sku, in a listing of photos after the photo.

    ``columns`` are those of the input, of which a listing has none.
    """
    return BY_SKU if columns else BY_SOURCE
