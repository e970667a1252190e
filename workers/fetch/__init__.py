"""Fetch sources from the web. Hosts and merchants are untrusted: none may use a worker to attack another machine."""
