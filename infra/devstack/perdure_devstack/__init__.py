"""Starts Perdure on one machine: embedded PostgreSQL and NATS, and the supervisor of `perdure up`.

It knows no runs and no events; services learn from their environment where the servers are.
Start reading at `supervisor.py`.
"""
