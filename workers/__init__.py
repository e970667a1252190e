"""Everything that does work: styling and training."""
