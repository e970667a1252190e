"""Send events to webhooks."""
