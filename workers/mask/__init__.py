"""The product mask: how much each pixel of a photo belongs to the product. Plain NumPy, SciPy and PyTorch."""
