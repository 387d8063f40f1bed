"""What carries the log on: to NATS, into views, into new attempts."""
