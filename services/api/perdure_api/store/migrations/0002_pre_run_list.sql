-- The list of runs as people filter it; folded from the log by projections/run_list.py.
-- Its rows hang in a versioned table; readers go through the view, which a rebuild swaps.
CREATE TABLE perdure.run_list_1 (
    run_id          uuid PRIMARY KEY,
    tenant          text NOT NULL,
    created         bigint NOT NULL,       -- position of its request: order and keyset of the list
    position        bigint NOT NULL,       -- position of the last event folded in
    version         bigint NOT NULL,
    name            text NOT NULL,
    kind            text NOT NULL,
    job             text,
    state           text NOT NULL,         -- as of the last event; the clock can make it queued
    next_attempt_at timestamptz,           -- scheduled, retrying: when the clock makes it queued
    queue           text NOT NULL,
    priority        smallint NOT NULL,
    tags            text[] NOT NULL,
    labels          json NOT NULL,
    attempt         int NOT NULL,
    max_attempts    int NOT NULL,
    executor        text,
    created_at      timestamptz NOT NULL,
    started_at      timestamptz,
    ended_at        timestamptz,
    progress        json,
    failure         json,
    rerun_of        uuid,
    doc             json NOT NULL          -- the folded state, whole: what the API shows of a run
) WITH (fillfactor = 70);
CREATE INDEX ON perdure.run_list_1 (tenant, created DESC);
CREATE INDEX ON perdure.run_list_1 (tenant, state, created DESC);
CREATE INDEX ON perdure.run_list_1 (tenant, queue, created DESC);
CREATE INDEX ON perdure.run_list_1 (tenant, executor, created DESC) WHERE executor IS NOT NULL;
CREATE INDEX ON perdure.run_list_1 (tenant, job, created DESC) WHERE job IS NOT NULL;
CREATE INDEX ON perdure.run_list_1 USING gin (tags) WHERE tags <> '{}';

CREATE VIEW perdure.run_list AS SELECT * FROM perdure.run_list_1;
INSERT INTO perdure.checkpoints (name, version, position) VALUES ('run_list', 1, 0);

GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON perdure.run_list_1 TO perdure_app;
GRANT SELECT ON perdure.run_list TO perdure_app;
