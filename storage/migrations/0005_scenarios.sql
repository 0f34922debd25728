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
