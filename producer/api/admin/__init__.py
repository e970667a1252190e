"""Routes for admins: models, training, nights, and the state of the fleet."""
