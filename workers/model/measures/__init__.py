"""Measures of photos and renditions, in plain PyTorch."""
