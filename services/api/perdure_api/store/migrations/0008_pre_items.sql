-- The items of batches: their input, stored once and shared by reruns, and what became of each.

-- `total` is known once all of it is stored; what is not whole cannot be referred to.
CREATE TABLE perdure.inputs (
    input   uuid PRIMARY KEY,
    tenant  text NOT NULL,
    sha256  bytea,                        -- over the items, each as a line of JSON
    total   int,
    bytes   bigint,
    fields  text[] NOT NULL DEFAULT '{}', -- names that every item has
    made_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX inputs_made ON perdure.inputs (made_at);

CREATE TABLE perdure.input_chunks (
    input         uuid NOT NULL REFERENCES perdure.inputs ON DELETE CASCADE,
    first_ordinal int NOT NULL,
    last_ordinal  int NOT NULL,
    keys          text,                   -- one a line; NULL where every key is the ordinal
    folded        text,                   -- keys in lower case, where that is another text
    data          bytea NOT NULL,         -- zstd over the items, each as a line of JSON
    PRIMARY KEY (input, first_ordinal)
);
-- Searched as it lies there, and compressed already: not to be compressed (again).
ALTER TABLE perdure.input_chunks ALTER COLUMN keys SET STORAGE EXTERNAL;
ALTER TABLE perdure.input_chunks ALTER COLUMN folded SET STORAGE EXTERNAL;
ALTER TABLE perdure.input_chunks ALTER COLUMN data SET STORAGE EXTERNAL;

CREATE TABLE perdure.run_inputs (
    run_id uuid PRIMARY KEY,
    input  uuid NOT NULL REFERENCES perdure.inputs
);
CREATE INDEX run_inputs_input ON perdure.run_inputs (input);

-- Items that were begun, chosen or have an outcome; all others have none yet.
CREATE TABLE perdure.items (
    run_id     uuid NOT NULL,
    ordinal    int NOT NULL,
    key        text,                      -- known with the outcome
    outcome    text,                      -- done | failed | skipped | filtered; NULL = pending
    tries      int NOT NULL DEFAULT 0,
    error      text,
    attempt    int,                       -- that brought the outcome
    checkpoint int,                       -- with which it came
    begun      int NOT NULL DEFAULT 0,    -- in so many attempts that were lost or timed out
    wanted     boolean NOT NULL DEFAULT false, -- chosen for another try, and not yet done
    PRIMARY KEY (run_id, ordinal)
) WITH (fillfactor = 80);
CREATE INDEX items_outcome ON perdure.items (run_id, outcome, ordinal);
CREATE INDEX items_wanted ON perdure.items (run_id, ordinal) WHERE wanted;

CREATE OR REPLACE FUNCTION perdure.remove_content(run uuid) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    DELETE FROM perdure.blobs WHERE run_id = run;
    DELETE FROM perdure.log_chunks WHERE run_id = run;
    DELETE FROM perdure.items WHERE run_id = run;
    WITH gone AS (DELETE FROM perdure.run_inputs WHERE run_id = run RETURNING input)
    DELETE FROM perdure.inputs i USING gone WHERE i.input = gone.input
    AND NOT EXISTS (SELECT FROM perdure.run_inputs r WHERE r.input = i.input AND r.run_id <> run);
$$;

-- Inputs that no run came to refer to: an upload that was not used, or one that broke off.
CREATE FUNCTION perdure.remove_unused_inputs(before timestamptz) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    WITH gone AS (
        DELETE FROM perdure.inputs i WHERE i.made_at < before
        AND NOT EXISTS (SELECT FROM perdure.run_inputs r WHERE r.input = i.input) RETURNING 1
    ) SELECT count(*) FROM gone;
$$;
