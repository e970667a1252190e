"""Names of the files that Atelier writes beside the renditions of a batch."""

RESULTS_CSV = "results.csv"
ERRORS_CSV = "errors.csv"
GALLERY_HTML = "gallery.html"
RULES_CSV = "rules.csv"
