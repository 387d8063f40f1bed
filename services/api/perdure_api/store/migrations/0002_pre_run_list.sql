-- The list of runs as people filter it; folded from the log by projections/run_list.py.
--
-- It holds what is filtered and sorted by; what is shown of a run comes from its inline row. Rows hang
-- in one table a build, readers go through the view, which a rebuild swaps. The application role owns
-- this schema's tables (see privileges.sql), because it builds new ones beside the old.

CREATE SCHEMA perdure_views;

CREATE TABLE perdure_views.run_list_1_1 (
    run_id     uuid PRIMARY KEY,
    tenant     text NOT NULL,
    created    bigint NOT NULL,           -- position of its request: order and keyset of the list
    name       text NOT NULL,
    kind       text NOT NULL,
    job        text,
    state      text NOT NULL,             -- as of the last event; the clock can make it queued
    waits_for  text,                      -- scheduled | retrying: what it is again after a hold
    due_at     timestamptz,               -- when the clock makes it queued
    queue      text NOT NULL,
    executor   text,                      -- of the last attempt
    tags       text[] NOT NULL,
    created_at timestamptz NOT NULL,
    ended_at   timestamptz,
    rerun_of   uuid
) WITH (fillfactor = 80);
CREATE INDEX ON perdure_views.run_list_1_1 (tenant, created);
CREATE INDEX ON perdure_views.run_list_1_1 (tenant, state, created);
CREATE INDEX ON perdure_views.run_list_1_1 (tenant, queue, created);
CREATE INDEX ON perdure_views.run_list_1_1 (tenant, executor, created) WHERE executor IS NOT NULL;
CREATE INDEX ON perdure_views.run_list_1_1 (tenant, job, created) WHERE job IS NOT NULL;
CREATE INDEX ON perdure_views.run_list_1_1 (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX ON perdure_views.run_list_1_1 (tenant, state, ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX ON perdure_views.run_list_1_1 (rerun_of) WHERE rerun_of IS NOT NULL;
CREATE INDEX ON perdure_views.run_list_1_1 (reverse(run_id::text) text_pattern_ops);
CREATE INDEX ON perdure_views.run_list_1_1 USING gin (tags) WHERE tags <> '{}';

CREATE VIEW perdure_views.run_list AS SELECT * FROM perdure_views.run_list_1_1;
INSERT INTO perdure.checkpoints (name, build, version, position, status) VALUES ('run_list', 1, 1, 0, 'live');

-- About the last position whose event was committed at or before a time; 0 when there is none. Times
-- rise with positions but for what replicas commit within the same moment, so some 25 look-ups in the
-- primary key find it, and no index on time is needed. Who must not miss one asks for a minute before.
CREATE FUNCTION perdure.position_at(moment timestamptz) RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
DECLARE
    low  bigint := 0;
    high bigint := (SELECT position FROM perdure.head);
    mid  bigint;
BEGIN
    WHILE low < high LOOP
        mid := (low + high + 1) / 2;
        IF (SELECT time FROM perdure.events WHERE position = mid) <= moment THEN
            low := mid;
        ELSE
            high := mid - 1;
        END IF;
    END LOOP;
    RETURN low;
END $$;
