"""Training runs: why they begin, which photos they learn from, and their schedules."""
