"""The executor: takes attempts from the api over NATS, runs them, and reports. No database, no web."""
