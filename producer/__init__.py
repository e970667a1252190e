"""Everything that puts work in. No torch."""
