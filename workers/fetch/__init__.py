"""Fetching sources from the web: hosts and merchants are strangers here, and none may use us against another."""
