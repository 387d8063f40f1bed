"""Read models: folded from the log or read from inline rows; nothing here decides."""
