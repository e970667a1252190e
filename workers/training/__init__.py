"""Retraining: the slices of a training run, and the verdict at its end."""
