-- The electronic post roster (OCC-3): who was planned to be on which post, route and shift, with which means; and the fact beside
-- it: what each crew did over time. What is here is only ever added to, so that any past day has its answer.

-- What each crew did: a row whenever its state, incident or territory changes, written by commit_batch with the crew itself.
CREATE TABLE crew_log (
    crew_id text NOT NULL,
    at timestamptz NOT NULL,
    state text NOT NULL,          -- core.vocabulary.CrewState
    territory text NOT NULL,
    incident_id bigint,
    batch bigint NOT NULL         -- orders rows of one instant: a clock that was set back stands still for the centre
) PARTITION BY RANGE (at);
CREATE INDEX crew_log_crew ON crew_log (crew_id, at);
CREATE TABLE crew_log_default PARTITION OF crew_log DEFAULT;
-- What is known of crews so far: their last state.
INSERT INTO crew_log SELECT crew_id, updated_at, state, territory, incident_id, 0 FROM crew;

-- One change of the roster: an import, or a change in the middle of a shift. Its rows in the tables below carry its number.
CREATE TABLE roster_revision (
    revision bigint PRIMARY KEY,
    at timestamptz NOT NULL,
    actor text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('import', 'change')),
    reason text NOT NULL,
    source_name text NOT NULL     -- the files of an import
);

-- Posts and routes by name. The row of the highest revision counts.
CREATE TABLE roster_place (
    kind text NOT NULL CHECK (kind IN ('post', 'route')),
    name text NOT NULL,
    revision bigint NOT NULL REFERENCES roster_revision,
    territory text NOT NULL,
    PRIMARY KEY (kind, name, revision)
);

-- Shifts by crew and beginning; again the row of the highest revision counts, and may say that there is no such shift any more.
CREATE TABLE roster_shift (
    from_at timestamptz NOT NULL,
    crew_id text NOT NULL,
    revision bigint NOT NULL REFERENCES roster_revision,
    withdrawn boolean NOT NULL,
    until_at timestamptz NOT NULL CHECK (until_at > from_at),
    territory text NOT NULL,
    post text NOT NULL,
    route text NOT NULL,
    capabilities text[] NOT NULL,
    vehicles text[] NOT NULL,
    means text[] NOT NULL,
    people json NOT NULL,         -- core.roster.model.Person, as they were then
    PRIMARY KEY (from_at, crew_id, revision)
);
CREATE INDEX roster_shift_revision ON roster_shift (revision);

-- Acts of handover: what one shift lead gave over to the next.
CREATE TABLE roster_handover (
    handover_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    territory text NOT NULL,
    from_person text NOT NULL,
    to_person text NOT NULL,
    actor text NOT NULL,
    act json NOT NULL             -- core.roster.handover.Act
);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'table % is only ever added to', TG_TABLE_NAME USING ERRCODE = 'JD002';
END
$$;
CREATE TRIGGER only_added_to BEFORE UPDATE OR DELETE OR TRUNCATE ON roster_revision
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER only_added_to BEFORE UPDATE OR DELETE OR TRUNCATE ON roster_place
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER only_added_to BEFORE UPDATE OR DELETE OR TRUNCATE ON roster_shift
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER only_added_to BEFORE UPDATE OR DELETE OR TRUNCATE ON roster_handover
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- As before, and it notes in crew_log what the batch has changed of crews: compared with the stored row, before that is replaced.
CREATE OR REPLACE FUNCTION commit_batch(
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
END
$$;
