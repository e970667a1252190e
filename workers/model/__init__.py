"""The generator and its training, in plain PyTorch: usable from a notebook."""
