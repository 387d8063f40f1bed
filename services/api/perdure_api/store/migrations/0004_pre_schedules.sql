-- When schedules fire next, and what became of each fire time. The rows of a schedule are written under
-- the lock of its stream's row.

CREATE TABLE perdure.schedules (
    schedule_id  uuid PRIMARY KEY,
    tenant       text NOT NULL,
    job          text NOT NULL,
    enabled      boolean NOT NULL,
    next_fire_at timestamptz,             -- NULL: paused, deleted, or none is left
    last_fire_at timestamptz,
    deleted      boolean NOT NULL DEFAULT false
) WITH (fillfactor = 70);
CREATE INDEX schedules_due ON perdure.schedules (next_fire_at) WHERE next_fire_at IS NOT NULL;
CREATE INDEX schedules_job ON perdure.schedules (tenant, job) WHERE NOT deleted;

-- The key has no pattern in it: whatever a schedule is changed to, it fires at a time once.
CREATE TABLE perdure.schedule_fires (
    schedule_id uuid NOT NULL,
    fire_at     timestamptz NOT NULL,     -- of several in a row, the last
    since       timestamptz,              -- of several in a row, the first
    count       int,
    outcome     text NOT NULL,            -- fired | waiting | skipped | missed
    why         text NOT NULL,
    run_id      uuid,
    open        boolean NOT NULL DEFAULT false,   -- its run may not have ended yet
    PRIMARY KEY (schedule_id, fire_at)
) WITH (fillfactor = 80);
CREATE INDEX schedule_fires_open ON perdure.schedule_fires (schedule_id) WHERE open;
CREATE INDEX schedule_fires_waiting ON perdure.schedule_fires (schedule_id, fire_at) WHERE outcome = 'waiting';
