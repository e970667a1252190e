"""Everything that puts work in: commands, API, pages, manifests. No torch."""
