"""What the services say to each other and to the world: data only.

Nothing here does I/O, reads a clock or decides anything. Start with `facts` (the events, stored and
published alike), then `specs` (what to run), then `wire` (the executor's conversation with the api).
"""
