-- What the writer hands over to be stored: rows as arrays of these, which costs both sides less than an
-- array for each column. Not the tables' own types: a column that is added must not break a writer of
-- the version before.
CREATE TYPE perdure.event_to_store AS (
    position       bigint,
    id             uuid,
    stream         text,
    version        bigint,
    type           text,
    tenant         text,
    actor          text,
    correlation_id uuid,
    causation_id   uuid,
    data           json,
    sha256         bytea,
    chain          bytea
);

CREATE TYPE perdure.run_to_store AS (
    run_id         uuid,
    tenant         text,
    version        bigint,
    first_position bigint,
    last_position  bigint,
    phase          text,
    queue          text,
    lane           text,
    priority       smallint,
    ready_at       timestamptz,
    executor       text,
    act_at         timestamptz,
    unique_key     text,
    state          json
);
