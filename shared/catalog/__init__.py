"""The catalogue: what each merchant has, in which look, what is shown of it, and the nights that keep it so."""
