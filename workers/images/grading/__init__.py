"""Colour grades: styles that change tone and colour and add no texture."""
