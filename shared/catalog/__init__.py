"""Catalogue: a merchant's images, their looks, the renditions shown, and the nights that renew them."""
