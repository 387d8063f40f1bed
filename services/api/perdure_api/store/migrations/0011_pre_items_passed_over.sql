-- Whether a failed item was passed over: begun in too many attempts that were lost or timed out, and not
-- tried in the one that brought its outcome. Until now only the words of its error told so.
ALTER TABLE perdure.items ADD COLUMN passed_over boolean NOT NULL DEFAULT false;
UPDATE perdure.items SET passed_over = true
WHERE outcome = 'failed' AND error ~ '^begun in \d+ attempts that were lost or timed out$';
