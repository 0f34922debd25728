-- Made after the tables are filled.
CREATE INDEX street_name_words ON street_name USING gist (words gist_trgm_ops (siglen = 64));
CREATE INDEX house_place ON house USING gist (place);
CREATE INDEX crew_patrol ON crew USING gist (place) WHERE state = 'free' AND capabilities @> '{patrol}';
CREATE INDEX crew_ambulance ON crew USING gist (place) WHERE state = 'free' AND capabilities @> '{ambulance}';
CREATE INDEX crew_fire ON crew USING gist (place) WHERE state = 'free' AND capabilities @> '{fire}';
CREATE INDEX crew_rescue ON crew USING gist (place) WHERE state = 'free' AND capabilities @> '{rescue}';
CREATE INDEX crew_gas ON crew USING gist (place) WHERE state = 'free' AND capabilities @> '{gas}';
CREATE INDEX incident_place ON incident USING gist (place) WHERE closed_at IS NULL;
CREATE INDEX incident_phone ON incident (phone, updated_at) WHERE closed_at IS NULL;
CREATE INDEX event_incident ON event (incident_id);
CREATE INDEX incident_log_incident ON incident_log (incident_id);
CREATE INDEX assignment_incident ON assignment (incident_id);
VACUUM ANALYZE;
