"""Retraining: the slices of a run, and the verdict at its end."""
