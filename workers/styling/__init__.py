"""Styling: one chunk from claim to release."""
