"""Keeping it running: retention, repair, health, and what operators look at."""
