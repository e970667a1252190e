"""Decoding and encoding of product photographs, in plain Pillow and numpy."""
