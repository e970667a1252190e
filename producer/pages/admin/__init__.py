"""The HTML of the page for admins. Every word that is not ours passes through ``escape`` or ``quote`` here."""
