"""`perdure bench`: what this program does in a second on this machine.

`measures` holds what is measured, `system` what it is measured on, `load` the process that asks,
`figures` how the numbers are told. Other systems' numbers come from scripts outside of this
program (`peers`), so that none of them is ever among its dependencies.
"""
