"""Training of the segmentation network on pictures composed of cut-out products and scenes."""
