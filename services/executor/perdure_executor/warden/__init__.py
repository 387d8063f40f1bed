"""The process that holds the processes: it outlives the agent, and imports next to nothing.

`launcher` is the warden, which talks to the agent and forks keepers; a `keeper` carries one attempt
at a time, with `tree` (finding and ending processes) and `output` (bounded files of what they print).
"""
