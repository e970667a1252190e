"""What admins do over HTTP: models, training, nights, and how it all goes."""
