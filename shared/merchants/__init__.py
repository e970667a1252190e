"""The tenants, their keys, and the log of who did what."""
