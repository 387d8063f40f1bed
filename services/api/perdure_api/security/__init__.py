"""Who may come in, and what every answer carries.

Order of the checks: `front` (host, size of the head) → router → `gate` (credential, permission,
forgery, query) → handler. A route without a declared permission answers nobody.
"""
