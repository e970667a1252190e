"""Pages for people: the gallery of a batch, and the page for admins."""
