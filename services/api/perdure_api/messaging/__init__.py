"""What goes over NATS: the public stream, the words to executors, news for open pages."""
