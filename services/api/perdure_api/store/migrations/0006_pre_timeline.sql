-- Fire times by time: what was left out, for the timeline, and all of them, for their removal when old.
CREATE INDEX schedule_fires_left_out ON perdure.schedule_fires (fire_at) WHERE outcome <> 'fired';
CREATE INDEX schedule_fires_time ON perdure.schedule_fires USING brin (fire_at);

-- Which rules of which time zone a schedule's next fire time was reckoned with: when another version of
-- the zone says otherwise, it is reckoned anew. NULL: not known.
ALTER TABLE perdure.schedules ADD COLUMN zone text, ADD COLUMN zone_rules text;
