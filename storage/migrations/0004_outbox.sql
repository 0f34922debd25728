-- What people must be told, written with the batch that caused it, and how each of them was told (CITY-5).
-- Keys compare by bytes, so that all below a prefix is one range of the index. Neither table is partitioned: a key is unique
-- for ever, and there are as many rows as escalations, not as events. Retention deletes them (storage.partitions).

CREATE TABLE outbox (
    key text COLLATE "C" PRIMARY KEY,
    at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    recipient text NOT NULL,      -- core.telling: a role, level_above, or person:ID
    territory text NOT NULL,
    incident_id bigint,
    template text NOT NULL,       -- core.telling.Happened
    "values" json NOT NULL,
    priority smallint NOT NULL,
    state text NOT NULL,          -- storage.outbox.OutboxState: whether it has been made into deliveries
    passed_over json NOT NULL     -- who was not told and why, core.people.PassedOver
);
CREATE INDEX outbox_waiting ON outbox (priority, at) WHERE state = 'waiting';
CREATE INDEX outbox_at ON outbox (at);

CREATE TABLE delivery (
    delivery_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key text COLLATE "C" NOT NULL REFERENCES outbox ON DELETE CASCADE,
    person text NOT NULL,
    channel text NOT NULL,        -- core.telling.Channel
    rank smallint NOT NULL,       -- place in the person's order of channels, from 0
    state text NOT NULL,          -- core.delivery.DeliveryState
    tries smallint NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL,  -- when waiting: of the next try
    lease_until timestamptz,      -- when sending: a try that is at it longer is dead
    handed boolean NOT NULL DEFAULT false,  -- the last try has begun to hand its message over: it may have arrived
    fault text NOT NULL DEFAULT '',         -- core.delivery.DeliveryFault of the last try
    detail text NOT NULL DEFAULT '',        -- what the server said
    receipt text NOT NULL DEFAULT '',       -- under what the server has it: an SMSC's message id, a queue's
    changed_at timestamptz NOT NULL,
    UNIQUE (key, person, channel)
) WITH (fillfactor = 75);
CREATE INDEX delivery_due ON delivery (due_at) WHERE state IN ('held', 'waiting');
CREATE INDEX delivery_sending ON delivery (lease_until) WHERE state = 'sending';

-- As in 0003, and the tellings, each key once.
DROP FUNCTION commit_batch;
CREATE FUNCTION commit_batch(
    my_epoch bigint, batch bigint, batch_at timestamptz,
    waters source[], events event[], rejected rejected_event[], log incident_log[], incidents incident[],
    assignments assignment[], crews crew[], positions "position"[], commands command[], notices notice[],
    tellings outbox[]
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
END
$$;
