"""The `perdure` command: starts the services, speaks to them, measures them.

`main` is the table of commands. A command that is a client of the running system speaks HTTP
through `talking`; one that works on the store itself goes through `database`.
"""
