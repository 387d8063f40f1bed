-- The log, the rows that decisions need, what hangs on runs, and what people see.
--
-- Three groups of tables:
--   truth     head, events, blobs, log_chunks        written once, by store/writer.py alone
--   inline    streams, runs, sessions, lanes, …      folded in the same transaction; decisions read them
--   views     schema perdure_views, and checkpoints  folded later by the projector; dropped and rebuilt at will
-- Lock order, everywhere: rows of runs by id, rows of streams by name, then head. Head is the last
-- lock of a writing transaction, so positions are handed out in commit order and without gaps.
-- Who may do what stands in privileges.sql, which is applied after the migrations.

CREATE TABLE perdure.head (
    one      boolean PRIMARY KEY DEFAULT true CHECK (one),
    position bigint NOT NULL,
    chain    bytea NOT NULL,
    time     timestamptz NOT NULL,
    store_id uuid NOT NULL
) WITH (fillfactor = 10);

INSERT INTO perdure.head (position, chain, time, store_id)
VALUES (0, decode(repeat('00', 32), 'hex'), clock_timestamp(), gen_random_uuid());

CREATE TABLE perdure.events (
    position       bigint NOT NULL PRIMARY KEY,
    id             uuid NOT NULL,
    stream         text NOT NULL,
    version        bigint NOT NULL,
    type           text NOT NULL,
    tenant         text NOT NULL,
    time           timestamptz NOT NULL,
    actor          text,
    correlation_id uuid,
    causation_id   uuid,
    data           json NOT NULL,          -- json, not jsonb: it keeps the exact bytes that were hashed
    sha256         bytea NOT NULL,
    chain          bytea NOT NULL
) PARTITION BY RANGE (position);

CREATE FUNCTION perdure.refuse_rewrite() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'perdure.events is append-only' USING ERRCODE = 'insufficient_privilege';
END $$;

-- Partitions by position. A TRUNCATE of one partition passes the parent's statement trigger, so each
-- partition carries its own.
CREATE FUNCTION perdure.add_event_partition(first_position bigint, size bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    part text := format('events_%s', lpad((first_position / size)::text, 5, '0'));
BEGIN
    IF to_regclass(format('perdure.%I', part)) IS NOT NULL THEN
        RETURN;
    END IF;
    -- Attached, not made as a partition: that would lock out readers and the writer meanwhile.
    EXECUTE format('CREATE TABLE perdure.%I (LIKE perdure.events INCLUDING ALL)', part);
    EXECUTE format('CREATE UNIQUE INDEX ON perdure.%I (stream, version)', part);
    EXECUTE format('CREATE TRIGGER no_truncate BEFORE TRUNCATE ON perdure.%I '
                   'FOR EACH STATEMENT EXECUTE FUNCTION perdure.refuse_rewrite()', part);
    EXECUTE format('ALTER TABLE perdure.events ATTACH PARTITION perdure.%I FOR VALUES FROM (%s) TO (%s)',
                   part, first_position, first_position + size);
END $$;

CREATE TRIGGER no_rewrite BEFORE UPDATE OR DELETE ON perdure.events
    FOR EACH ROW EXECUTE FUNCTION perdure.refuse_rewrite();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON perdure.events
    FOR EACH STATEMENT EXECUTE FUNCTION perdure.refuse_rewrite();

SELECT perdure.add_event_partition(0, 10000000);
SELECT perdure.add_event_partition(10000000, 10000000);

-- Content by its hash: what may have to be deleted is never in an event. One row a run that refers to
-- it, so that deleting one run's content leaves another's.
CREATE TABLE perdure.blobs (
    run_id uuid NOT NULL,
    sha256 bytea NOT NULL,
    data   bytea NOT NULL,
    PRIMARY KEY (run_id, sha256)
);

CREATE TABLE perdure.log_chunks (
    run_id     uuid NOT NULL,
    attempt    int NOT NULL,
    first_line bigint NOT NULL,
    last_line  bigint NOT NULL,
    bytes      bigint NOT NULL,
    lines      bytea NOT NULL,            -- zstd over msgpack of perdure_contract.wire.LogLine
    at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (run_id, attempt, first_line)
);

-- Inline rows -----------------------------------------------------------------------------------

-- Every stream that is not a run's: its version and its folded state.
CREATE TABLE perdure.streams (
    stream         text PRIMARY KEY,
    tenant         text NOT NULL,
    version        bigint NOT NULL,
    first_position bigint NOT NULL,
    last_position  bigint NOT NULL,
    state          json NOT NULL
) WITH (fillfactor = 70);

-- A run's version and folded state, with the columns that dispatch and recovery look for.
CREATE TABLE perdure.runs (
    run_id         uuid PRIMARY KEY,
    tenant         text NOT NULL,
    version        bigint NOT NULL,
    first_position bigint NOT NULL,
    last_position  bigint NOT NULL,
    phase          text NOT NULL,         -- pending | waiting | paused | running | cancelling | final
    queue          text NOT NULL,
    lane           text NOT NULL,         -- required labels in canonical text; '' for none
    priority       smallint NOT NULL,
    ready_at       timestamptz,           -- pending: when it may start; NULL = now (set so when it comes due)
    executor       text,                  -- running | cancelling: who has the open attempt
    act_at         timestamptz,           -- when the api itself must act (close a forced cancel)
    unique_key     text,                  -- kept while the run is not final
    state          json NOT NULL
) WITH (fillfactor = 60);

CREATE INDEX runs_ready ON perdure.runs (queue, lane, priority DESC, first_position)
    WHERE phase = 'pending' AND ready_at IS NULL;
CREATE INDEX runs_timed ON perdure.runs (ready_at) WHERE phase = 'pending' AND ready_at IS NOT NULL;
CREATE INDEX runs_open ON perdure.runs (executor) INCLUDE (queue) WHERE phase IN ('running', 'cancelling');
CREATE INDEX runs_act ON perdure.runs (act_at) WHERE act_at IS NOT NULL;
CREATE UNIQUE INDEX runs_unique_key ON perdure.runs (tenant, unique_key) WHERE unique_key IS NOT NULL;

-- Which (queue, labels) pairs were ever asked for: so the dispatcher skips a lane that no executor
-- can serve instead of scanning past it.
CREATE TABLE perdure.lanes (queue text NOT NULL, lane text NOT NULL, PRIMARY KEY (queue, lane));

-- Starts in rate-limited queues within the last minute.
CREATE TABLE perdure.queue_starts (queue text NOT NULL, at timestamptz NOT NULL);
CREATE INDEX ON perdure.queue_starts (queue, at);

-- The lease is the executor's session, not the run: one row a beat. Beats are not events.
CREATE TABLE perdure.sessions (
    session_id uuid PRIMARY KEY,
    executor   text NOT NULL,
    tenant     text NOT NULL,
    state      text NOT NULL,             -- live | lost | superseded | left
    slots      int NOT NULL,
    labels     json NOT NULL,
    queues     json NOT NULL,
    program    text NOT NULL,
    ahead      int NOT NULL DEFAULT 0,     -- attempts it wants beside its slots, while they are short
    draining   boolean NOT NULL DEFAULT false,
    opened_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_seen  timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50);
CREATE UNIQUE INDEX sessions_live ON perdure.sessions (executor) WHERE state = 'live';
CREATE INDEX sessions_latest ON perdure.sessions (executor, opened_at DESC);

-- The newest progress of an open attempt; milestones are events, this is for whoever looks meanwhile.
CREATE UNLOGGED TABLE perdure.live_progress (
    run_id   uuid PRIMARY KEY,
    attempt  int NOT NULL,
    progress json NOT NULL,
    at       timestamptz NOT NULL
) WITH (fillfactor = 50);

-- Answers of commands by Idempotency-Key, kept 7 days.
CREATE TABLE perdure.answers (
    tenant      text NOT NULL,
    key         text NOT NULL,
    body_sha256 bytea NOT NULL,
    status      smallint NOT NULL,
    body        bytea NOT NULL,
    headers     json NOT NULL,
    at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant, key)
);

-- Refusals: commands that were not legal, and reports that did not count (with how often).
CREATE TABLE perdure.refusals (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    tenant  text NOT NULL,
    run_id  uuid,
    attempt int,
    kind    text NOT NULL,
    why     text NOT NULL,
    actor   text,
    times   bigint NOT NULL DEFAULT 1
);
CREATE UNIQUE INDEX refusals_reports ON perdure.refusals (run_id, attempt, kind) WHERE attempt IS NOT NULL;
CREATE INDEX refusals_run ON perdure.refusals (run_id) WHERE run_id IS NOT NULL;

-- Who may come in -------------------------------------------------------------------------------

CREATE TABLE perdure.tokens (
    token_id   text PRIMARY KEY,          -- public part of the token
    tenant     text NOT NULL,
    name       text NOT NULL,
    role       text NOT NULL,
    sha256     bytea NOT NULL,            -- of the secret part
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz,
    revoked_at timestamptz,
    last_used  timestamptz
);
CREATE TABLE perdure.login_links (
    sha256     bytea PRIMARY KEY,
    tenant     text NOT NULL,
    role       text NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at    timestamptz
);
CREATE TABLE perdure.web_sessions (
    sha256     bytea PRIMARY KEY,
    tenant     text NOT NULL,
    name       text NOT NULL,
    role       text NOT NULL,
    csrf       bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_seen  timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL,
    ended_at   timestamptz
);

-- Followers -------------------------------------------------------------------------------------

-- How far each build of each projection has come. `version` is that of the projection's code and table;
-- every rebuild is a new `build`, kept in the table perdure_views.<name>_<version>_<build>.
CREATE TABLE perdure.checkpoints (
    name       text NOT NULL,
    build      int NOT NULL,
    version    int NOT NULL,
    position   bigint NOT NULL,
    status     text NOT NULL,             -- live | building | stuck
    error      text,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (name, build)
) WITH (fillfactor = 50);

-- Removing a run's content is the owner's right, given for one run at a time.
CREATE FUNCTION perdure.remove_content(run uuid) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    DELETE FROM perdure.blobs WHERE run_id = run;
    DELETE FROM perdure.log_chunks WHERE run_id = run;
$$;
