"""Proofs: a batch that is large, or in a look nobody has seen, waits paused until a sample of it was approved."""
