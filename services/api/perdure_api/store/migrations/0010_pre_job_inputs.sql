-- Inputs that a saved job keeps for its runs: those of all its revisions, as long as the job is there.
CREATE TABLE perdure.job_inputs (
    stream text NOT NULL,
    input  uuid NOT NULL REFERENCES perdure.inputs,
    PRIMARY KEY (stream, input)
);
CREATE INDEX job_inputs_input ON perdure.job_inputs (input);

CREATE OR REPLACE FUNCTION perdure.remove_content(run uuid) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    DELETE FROM perdure.blobs WHERE run_id = run;
    DELETE FROM perdure.log_chunks WHERE run_id = run;
    DELETE FROM perdure.items WHERE run_id = run;
    WITH gone AS (DELETE FROM perdure.run_inputs WHERE run_id = run RETURNING input)
    DELETE FROM perdure.inputs i USING gone WHERE i.input = gone.input
    AND NOT EXISTS (SELECT FROM perdure.run_inputs r WHERE r.input = i.input AND r.run_id <> run)
    AND NOT EXISTS (SELECT FROM perdure.job_inputs j WHERE j.input = i.input);
$$;

CREATE OR REPLACE FUNCTION perdure.remove_unused_inputs(before timestamptz) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    WITH gone AS (
        DELETE FROM perdure.inputs i WHERE i.made_at < before
        AND NOT EXISTS (SELECT FROM perdure.run_inputs r WHERE r.input = i.input)
        AND NOT EXISTS (SELECT FROM perdure.job_inputs j WHERE j.input = i.input) RETURNING 1
    ) SELECT count(*) FROM gone;
$$;
