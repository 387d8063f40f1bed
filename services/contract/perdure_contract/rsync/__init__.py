"""Backups with rsync, as far as they are pure: what is asked for, what is run, and what it says.

`command.argv` is the only place that makes a command line: pages and the API preview it, the executor
runs it. Nothing here touches a file, a process or a clock.
"""
