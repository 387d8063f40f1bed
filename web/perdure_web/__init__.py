"""Templates and static files of the dashboard; no code."""
