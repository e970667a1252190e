"""Webhooks: addresses of merchants that are told of events, after the Standard Webhooks specification."""
