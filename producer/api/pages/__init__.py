"""Routes of the pages, which work without a script. Each does what a route below /v1 does, for a browser."""
