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
