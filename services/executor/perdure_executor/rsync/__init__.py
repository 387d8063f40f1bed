"""rsync on this executor: which one is there, and the small program that watches it run."""
