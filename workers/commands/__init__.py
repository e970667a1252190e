"""The commands that need the generator."""
