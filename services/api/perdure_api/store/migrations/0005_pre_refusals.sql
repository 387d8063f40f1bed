-- A refusal tells what it was about when that was no run: the stream of a queue, executor, job, ….
ALTER TABLE perdure.refusals ADD COLUMN stream text;
CREATE INDEX refusals_of ON perdure.refusals (tenant, id);
