"""The processes: styling workers, trainers, beat."""
