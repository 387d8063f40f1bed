-- The last runs of one name, for the chart of their numbers. The list's live table has the number of its
-- last rebuild in its name; a rebuild copies the indexes.
DO $$
DECLARE
    part regclass;
BEGIN
    FOR part IN SELECT oid::regclass FROM pg_class
        WHERE relnamespace = 'perdure_views'::regnamespace AND relkind = 'r' AND relname ~ '^run_list_\d+_\d+$'
    LOOP
        EXECUTE format('CREATE INDEX ON %s (tenant, name, created)', part);
    END LOOP;
END $$;
