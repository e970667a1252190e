"""Draw pictures for people: contact sheets, heat maps."""
