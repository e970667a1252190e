"""Parts that a worker process shares: device lanes, trunks, circuit breaker, watchdog, metrics."""
