"""The process that holds the processes: it outlives the agent, and imports next to nothing.

`launcher` is the warden, which talks to the agent, with `staff` (its keepers, each a `hold`) and
`untaken` (what the agent does not have yet). A `keeper` carries one attempt at a time, with `tree`
(finding and ending processes), `streams` (what they print) and `output` (bounded files of that).
"""
