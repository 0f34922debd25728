-- How each crew stands to its patrol route (OCC-5), kept with what was told of it: over a restart nothing is told twice.
CREATE TABLE patrol_state (
    crew_id text PRIMARY KEY,
    state json NOT NULL             -- core.patrol.PatrolState
);

-- As in 0001, and with everything that migrations have added since: held assignments, tellings each key once, the centre's own
-- log, versions of scenarios once, crews' patrols; and crew_log, which notes what the batch has changed of crews, compared with the
-- stored row before that is replaced.
DROP FUNCTION commit_batch;
CREATE FUNCTION commit_batch(
    my_epoch bigint, batch bigint, batch_at timestamptz,
    waters source[], events event[], rejected rejected_event[], log incident_log[], incidents incident[],
    assignments assignment[], crews crew[], positions "position"[], commands command[], notices notice[],
    tellings outbox[], centre_lines centre_log[], scenarios scenario[], patrols patrol_state[]
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE centre SET last_batch = batch, last_at = batch_at WHERE epoch = my_epoch AND last_batch = batch - 1;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'batch % of epoch % is not the next one', batch, my_epoch USING ERRCODE = 'JD001';
    END IF;
    IF cardinality(waters) > 0 THEN
        INSERT INTO source SELECT * FROM unnest(waters)
        ON CONFLICT (source) DO UPDATE SET high_water = EXCLUDED.high_water;
    END IF;
    IF cardinality(events) > 0 THEN INSERT INTO event SELECT * FROM unnest(events); END IF;
    IF cardinality(rejected) > 0 THEN INSERT INTO rejected_event SELECT * FROM unnest(rejected); END IF;
    IF cardinality(log) > 0 THEN INSERT INTO incident_log SELECT * FROM unnest(log); END IF;
    IF cardinality(incidents) > 0 THEN
        INSERT INTO incident SELECT * FROM unnest(incidents)
        ON CONFLICT (incident_id, opened_at) DO UPDATE SET
            version = EXCLUDED.version, updated_at = EXCLUDED.updated_at, closed_at = EXCLUDED.closed_at,
            state = EXCLUDED.state, category = EXCLUDED.category, priority = EXCLUDED.priority,
            territory = EXCLUDED.territory, latitude_deg = EXCLUDED.latitude_deg, longitude_deg = EXCLUDED.longitude_deg,
            crews = EXCLUDED.crews, phone = EXCLUDED.phone, view = EXCLUDED.view;
    END IF;
    IF cardinality(assignments) > 0 THEN
        INSERT INTO assignment SELECT * FROM unnest(assignments)
        ON CONFLICT (assignment_id, offered_at) DO UPDATE SET
            state = EXCLUDED.state, accepted_at = EXCLUDED.accepted_at, en_route_at = EXCLUDED.en_route_at,
            on_scene_at = EXCLUDED.on_scene_at, ended_at = EXCLUDED.ended_at, distance_m = EXCLUDED.distance_m,
            explanation = EXCLUDED.explanation, held = EXCLUDED.held;
    END IF;
    IF cardinality(crews) > 0 THEN
        INSERT INTO crew_log
        SELECT one.crew_id, one.updated_at, one.state, one.territory, one.incident_id, batch
        FROM unnest(crews) one LEFT JOIN crew before ON before.crew_id = one.crew_id
        WHERE before.crew_id IS NULL OR (before.state, before.territory, before.incident_id)
            IS DISTINCT FROM (one.state, one.territory, one.incident_id);
        INSERT INTO crew SELECT * FROM unnest(crews)
        ON CONFLICT (crew_id) DO UPDATE SET
            state = EXCLUDED.state, territory = EXCLUDED.territory, incident_id = EXCLUDED.incident_id,
            updated_at = EXCLUDED.updated_at, view = EXCLUDED.view;
    END IF;
    IF cardinality(positions) > 0 THEN INSERT INTO position SELECT * FROM unnest(positions); END IF;
    IF cardinality(commands) > 0 THEN INSERT INTO command SELECT * FROM unnest(commands); END IF;
    IF cardinality(notices) > 0 THEN INSERT INTO notice SELECT * FROM unnest(notices); END IF;
    IF cardinality(tellings) > 0 THEN INSERT INTO outbox SELECT * FROM unnest(tellings) ON CONFLICT (key) DO NOTHING; END IF;
    IF cardinality(centre_lines) > 0 THEN INSERT INTO centre_log SELECT * FROM unnest(centre_lines); END IF;
    IF cardinality(scenarios) > 0 THEN INSERT INTO scenario SELECT * FROM unnest(scenarios) ON CONFLICT (key) DO NOTHING; END IF;
    IF cardinality(patrols) > 0 THEN
        INSERT INTO patrol_state SELECT * FROM unnest(patrols) ON CONFLICT (crew_id) DO UPDATE SET state = EXCLUDED.state;
    END IF;
END
$$;
