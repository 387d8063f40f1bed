"""PostgreSQL: the log and its only writer, inline rows, migrations."""
