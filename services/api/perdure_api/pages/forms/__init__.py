"""Parts of the form of a new run, one module a part; `run_form` puts them together.

A part names its fields (`LABELS`), what stands in them at first (`DEFAULTS`) and which faults of the
validator belong to them (`POINTERS`); it turns texts into JSON values and the other way round.
"""
