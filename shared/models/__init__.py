"""Model versions, styles, promotion and training runs."""
