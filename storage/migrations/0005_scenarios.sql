-- Every version of a scenario that an incident may go by, and the centre's own log: what concerns no single incident, such as
-- its mode, and by whose order. Neither is ever dropped: they are few, and somebody has to answer for them.

CREATE TABLE scenario (
    key text PRIMARY KEY,         -- core.scenario.Scenario.key, for example fire@3
    at timestamptz NOT NULL,      -- when the centre began to go by it
    body json NOT NULL
);

CREATE TABLE centre_log (
    entry bigint PRIMARY KEY,     -- the batch's number times 100000, and its place in the batch
    at timestamptz NOT NULL,
    fact text NOT NULL,           -- core.vocabulary.Occasion
    actor text NOT NULL,
    cause text NOT NULL,
    body json NOT NULL
);

-- As in 0004, and these two.
DROP FUNCTION commit_batch;
CREATE FUNCTION commit_batch(
    my_epoch bigint, batch bigint, batch_at timestamptz,
    waters source[], events event[], rejected rejected_event[], log incident_log[], incidents incident[],
    assignments assignment[], crews crew[], positions "position"[], commands command[], notices notice[],
    tellings outbox[], centre_lines centre_log[], scenarios scenario[]
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
END
$$;
