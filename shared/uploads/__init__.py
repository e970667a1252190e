"""Uploads: files that a merchant sends in parts, to make batches of them."""
