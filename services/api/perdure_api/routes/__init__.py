"""JSON for programs: one file a resource. A command goes in, or a read model comes out.

Start with `operations` (how a route is declared) and `problems` (how every error is answered).
"""
