"""Batch runs: one program, the *driver*, works through the items of an attempt under a keeper.

Its files begin with the attempt's path: `.plan` (what to do, JSON), `.items` (a line of JSON an item,
written by the agent before the start) and `.done` (the journal, see `journal`), from which the agent
makes reports while it grows.
"""
