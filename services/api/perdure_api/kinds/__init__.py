"""What each kind of run has of its own: one module a kind, and `kind`, which picks by type."""
