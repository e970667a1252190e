"""The page for admins: what it shows, as plain values; the templates do the markup and escape every value."""
