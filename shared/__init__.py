"""The domain: what producer and workers share. No torch, no web framework."""
