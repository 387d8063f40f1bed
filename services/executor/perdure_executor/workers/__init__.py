"""Warm Python workers: processes that call one function after the other.

`process` starts one and talks to it, `calls` is what is said between the two; both import next to
nothing, so that keepers may use them. `serve` is the worker itself, `functions` finds what it calls,
and `endings` puts into words how a call ended.
"""
