"""How any Perdure process lives: clock, ids, settings, logs, loops, the NATS connection.

No word of the product's domain stands here, so that api and executor can share it and nothing else.
"""
