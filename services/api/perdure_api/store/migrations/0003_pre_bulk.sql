-- The runs of a bulk operation and what became of each: settled when it was asked for, so that runs that
-- come to match later are left alone.
CREATE TABLE perdure.bulk_runs (
    bulk_id uuid NOT NULL,
    ordinal int NOT NULL,
    run_id  uuid NOT NULL,
    outcome text,                         -- done | refused; NULL = not yet
    why     text,
    PRIMARY KEY (bulk_id, ordinal)
) WITH (fillfactor = 70);
CREATE INDEX ON perdure.bulk_runs (bulk_id, ordinal) WHERE outcome IS NULL;
