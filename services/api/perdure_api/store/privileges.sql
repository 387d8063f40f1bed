-- Who may do what: applied by `perdure migrate` after the migrations, every time. The owner has all
-- rights; the application writes the log but can neither change nor remove what is in it.

GRANT USAGE ON SCHEMA perdure TO perdure_app;

-- Truth: written once.
GRANT SELECT, INSERT ON perdure.events, perdure.blobs, perdure.log_chunks TO perdure_app;
GRANT SELECT, INSERT, UPDATE (sha256, total, bytes, fields) ON perdure.inputs TO perdure_app;
GRANT SELECT, INSERT ON perdure.input_chunks, perdure.run_inputs TO perdure_app;
GRANT SELECT, INSERT, DELETE ON perdure.job_inputs TO perdure_app;
GRANT SELECT, UPDATE (position, chain, time) ON perdure.head TO perdure_app;
GRANT SELECT ON perdure.migrations TO perdure_app;

-- Inline rows, and who may come in.
GRANT SELECT, INSERT, UPDATE ON
    perdure.streams, perdure.runs, perdure.refusals, perdure.tokens,
    perdure.bulk_runs, perdure.dry_runs, perdure.schedules
TO perdure_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON
    perdure.sessions, perdure.lanes, perdure.queue_starts, perdure.live_progress, perdure.answers,
    perdure.login_links, perdure.web_sessions, perdure.checkpoints, perdure.items,
    perdure.schedule_fires
TO perdure_app;

-- What the owner does for the application, one narrow function each.
REVOKE ALL ON FUNCTION
    perdure.add_event_partition(bigint, bigint), perdure.remove_content(uuid),
    perdure.remove_unused_inputs(timestamptz)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    perdure.add_event_partition(bigint, bigint), perdure.remove_content(uuid),
    perdure.remove_unused_inputs(timestamptz)
TO perdure_app;

-- Views can be dropped and rebuilt at will, so the application owns them.
GRANT USAGE, CREATE ON SCHEMA perdure_views TO perdure_app;
DO $$
DECLARE
    relation regclass;
BEGIN
    FOR relation IN
        SELECT c.oid FROM pg_class c
        WHERE c.relnamespace = 'perdure_views'::regnamespace AND c.relkind IN ('r', 'v')
          AND c.relowner <> 'perdure_app'::regrole
    LOOP
        EXECUTE format('ALTER TABLE %s OWNER TO perdure_app', relation);
    END LOOP;
END $$;
