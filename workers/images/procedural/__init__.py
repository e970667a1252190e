"""Procedural styles: pictures made by a rule with parameters, at the photo's own resolution, without a network."""
