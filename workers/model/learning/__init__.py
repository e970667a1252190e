"""Training of the generator, in plain PyTorch."""
