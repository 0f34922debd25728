-- The centre's tables. Everything with a time grows by the day and is partitioned by the UTC day of its first time column
-- (storage.partitions makes and drops the partitions). The row types of these tables are the parameters of commit_batch.
-- Incident ids rise with time, so within a day a BRIN index finds an incident's rows among a few pages; it costs an insert
-- nothing, where a B-tree takes a third of it.

CREATE TABLE centre (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    epoch bigint NOT NULL DEFAULT 0,             -- fencing token: rises each time a process becomes the active one
    last_batch bigint NOT NULL DEFAULT 0,        -- number of the last committed batch
    last_at timestamptz NOT NULL DEFAULT '2000-01-01 00:00:00+00',  -- the centre's time of that batch
    next_incident_id bigint NOT NULL DEFAULT 1,  -- ids below this were given to rows that retention has dropped
    next_assignment_id bigint NOT NULL DEFAULT 1
) WITH (fillfactor = 20);
INSERT INTO centre DEFAULT VALUES;

CREATE TABLE source (
    source text PRIMARY KEY,
    high_water bigint NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE event (
    received_at timestamptz NOT NULL,
    source text NOT NULL,
    seq bigint NOT NULL,
    kind smallint NOT NULL,       -- core.vocabulary.EventKind
    at timestamptz NOT NULL,
    incident_id bigint,
    subject text NOT NULL,        -- the plate, phone, call, crew, camera or device it is about
    payload text NOT NULL         -- the event as its source wrote it, JSON
) PARTITION BY RANGE (received_at);
CREATE INDEX event_incident ON event USING brin (incident_id) WITH (autosummarize = on);

CREATE TABLE rejected_event (
    received_at timestamptz NOT NULL,
    source text NOT NULL,
    seq bigint,
    batch bigint NOT NULL,
    code text NOT NULL,           -- core.vocabulary.RejectCode
    field text NOT NULL,
    text text NOT NULL,
    raw bytea NOT NULL
) PARTITION BY RANGE (received_at);

CREATE TABLE incident (
    incident_id bigint NOT NULL,
    version integer NOT NULL,
    opened_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    closed_at timestamptz,
    state text NOT NULL,
    category text NOT NULL,
    priority smallint NOT NULL,
    territory text NOT NULL,
    latitude_deg double precision,
    longitude_deg double precision,
    crews text[] NOT NULL,
    phone text NOT NULL,
    view json NOT NULL,
    PRIMARY KEY (incident_id, opened_at)
) PARTITION BY RANGE (opened_at);
CREATE INDEX incident_open ON incident (incident_id) WHERE closed_at IS NULL;

CREATE TABLE incident_log (
    incident_id bigint NOT NULL,
    version integer NOT NULL,
    at timestamptz NOT NULL,
    fact text NOT NULL,
    actor text NOT NULL,
    cause text NOT NULL,
    body json NOT NULL
) PARTITION BY RANGE (at);
CREATE INDEX incident_log_incident ON incident_log USING brin (incident_id) WITH (autosummarize = on, pages_per_range = 32);

CREATE TABLE assignment (
    assignment_id bigint NOT NULL,
    incident_id bigint NOT NULL,
    crew_id text NOT NULL,
    capability text NOT NULL,
    state text NOT NULL,
    offered_at timestamptz NOT NULL,
    accepted_at timestamptz,
    en_route_at timestamptz,
    on_scene_at timestamptz,
    ended_at timestamptz,
    distance_m double precision NOT NULL,
    explanation json NOT NULL,
    PRIMARY KEY (assignment_id, offered_at)
) PARTITION BY RANGE (offered_at);
CREATE INDEX assignment_incident ON assignment USING brin (incident_id) WITH (autosummarize = on, pages_per_range = 32);

CREATE TABLE crew (
    crew_id text PRIMARY KEY,
    state text NOT NULL,
    territory text NOT NULL,
    incident_id bigint,
    updated_at timestamptz NOT NULL,
    view json NOT NULL
) WITH (fillfactor = 60);

CREATE TABLE position (
    crew_id text NOT NULL,
    at timestamptz NOT NULL,
    latitude_deg double precision NOT NULL,
    longitude_deg double precision NOT NULL,
    accuracy_m double precision NOT NULL,
    speed_mps double precision,
    course_deg double precision
) PARTITION BY RANGE (at);
CREATE INDEX position_crew ON position (crew_id, at);

CREATE TABLE command (
    command_id text NOT NULL,
    operator text NOT NULL,
    at timestamptz NOT NULL,
    done boolean NOT NULL,
    incident_id bigint,
    reason text NOT NULL,
    text text NOT NULL
) PARTITION BY RANGE (at);
CREATE INDEX command_id ON command (command_id);

CREATE TABLE notice (
    incident_id bigint NOT NULL,
    at timestamptz NOT NULL,
    recipient text NOT NULL,
    term text NOT NULL,
    territory text NOT NULL,
    text text NOT NULL
) PARTITION BY RANGE (at);
CREATE INDEX notice_incident ON notice (incident_id);

CREATE TABLE map_layer (
    name text PRIMARY KEY,
    imported_at timestamptz NOT NULL,
    source_name text NOT NULL,
    sha256 text NOT NULL,
    statistics json NOT NULL,
    data bytea NOT NULL
);
ALTER TABLE map_layer ALTER COLUMN data SET STORAGE EXTERNAL;  -- packed by its writer already

-- Rows of days that have no partition of their own: broken clocks, and the moments before a day's partition is made.
CREATE TABLE event_default PARTITION OF event DEFAULT;
CREATE TABLE rejected_event_default PARTITION OF rejected_event DEFAULT;
CREATE TABLE incident_default PARTITION OF incident DEFAULT;
CREATE TABLE incident_log_default PARTITION OF incident_log DEFAULT;
CREATE TABLE assignment_default PARTITION OF assignment DEFAULT;
CREATE TABLE position_default PARTITION OF position DEFAULT;
CREATE TABLE command_default PARTITION OF command DEFAULT;
CREATE TABLE notice_default PARTITION OF notice DEFAULT;

-- Writes what belongs to one batch and was not sent by COPY, behind the fence. Incidents and assignments come as whole rows,
-- new or changed: an upsert touches exactly one partition, whatever the planner thinks of the tables' sizes.
CREATE FUNCTION commit_batch(
    my_epoch bigint, batch bigint, batch_at timestamptz,
    waters source[], events event[], rejected rejected_event[], log incident_log[], incidents incident[],
    assignments assignment[], crews crew[], positions "position"[], commands command[], notices notice[]
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
            explanation = EXCLUDED.explanation;
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
END
$$;
