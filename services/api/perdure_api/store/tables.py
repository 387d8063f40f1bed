"""The tables that composed queries name, as SQLAlchemy Core metadata.

The truth about tables are the migrations; a test compares the two.
"""

from sqlalchemy import BigInteger, Column, DateTime, MetaData, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY, UUID

metadata = MetaData()

run_list = Table(
    "run_list",
    metadata,
    Column("run_id", UUID(as_uuid=False), primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("job", Text),
    Column("state", Text, nullable=False),
    Column("waits_for", Text),
    Column("due_at", DateTime(timezone=True)),
    Column("queue", Text, nullable=False),
    Column("executor", Text),
    Column("tags", ARRAY(Text), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("ended_at", DateTime(timezone=True)),
    Column("rerun_of", UUID(as_uuid=False)),
    schema="perdure_views",
)
