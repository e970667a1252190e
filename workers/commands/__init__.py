"""Commands that need the generator."""
