-- Which runs are dry runs of which command lines: a backup that deletes needs one. Written with the
-- request of the run, so it can be made again from the log.

CREATE TABLE perdure.dry_runs (
    tenant      text NOT NULL,
    fingerprint text NOT NULL,            -- SHA-256 of the command line without --dry-run
    run_id      uuid NOT NULL,
    at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant, fingerprint, run_id)
);
