"""What may happen, decided purely: no clock, no randomness, no I/O.

Each stream has one module: its state, `evolve` (state, fact → state) and `decide` (state, command →
facts or a `Rejection`). A run has several, by purpose. Time comes in as an argument. Start with `run`,
`run_folding`, `run_commands` and `run_decisions`.
"""
