"""Retraining: which runs there are and why, of whose photos they learn, and when they begin by themselves."""
