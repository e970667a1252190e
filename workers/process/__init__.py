"""Processes: styling workers, trainers, beat."""
