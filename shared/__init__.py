"""What producer and workers must agree on. No torch, no web framework."""
