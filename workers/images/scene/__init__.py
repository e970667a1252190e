"""Scenes: a product taken from its photo and set on another ground, with a shadow."""
