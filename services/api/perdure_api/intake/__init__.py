"""What comes in other than by HTTP: from executors, from time, from files."""
