"""Decides and remembers: the only writer of the log, and what people and programs see of it.

Start with `commands`, then `domain.run`, `store.writer`, `followers.dispatcher`.
"""
