"""Approval of samples: a large batch, or one in a new look, stays paused until its sample is approved."""
