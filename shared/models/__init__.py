"""Model versions and styles, and how they come about."""
