"""Pictures for people: contact sheets, heat maps."""
