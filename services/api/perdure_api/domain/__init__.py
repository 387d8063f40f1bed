"""What may happen, decided purely: no clock, no randomness, no I/O.

Each stream has one module: its state, `evolve` (state, fact → state) and `decide` (state, command →
facts or a `Rejection`). Time comes in as an argument. Start with `run`.
"""
