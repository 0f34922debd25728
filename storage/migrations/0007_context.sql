-- The past as an incident's context looks into it (CITY-11): a compact copy of what incidents are found again by, filled in the
-- background from what is committed (storage/past.py). Nothing on a call's path reads or writes these tables, and all of them
-- can be filled anew from the incidents: whatever is lost of them, no incident is.

CREATE TABLE incident_past (
    incident_id   bigint PRIMARY KEY,
    opened_at     timestamptz NOT NULL,
    latitude_deg  double precision,
    longitude_deg double precision,
    cell          bigint,             -- core.context.cell_of, NULL without a place
    address       bigint,             -- routing.address_key, NULL where no house is known
    streets       bigint[] NOT NULL,
    phones        bigint[] NOT NULL,  -- digits of E.164, the first caller's first
    category      text NOT NULL,
    territory     text NOT NULL,
    outcome       text NOT NULL,      -- core.context.Outcome
    result        text NOT NULL       -- its beginning
) WITH (fillfactor = 90);
CREATE INDEX incident_past_cell ON incident_past (cell, opened_at) WHERE cell IS NOT NULL;
CREATE INDEX incident_past_category ON incident_past (category, cell, opened_at) WHERE cell IS NOT NULL;
CREATE INDEX incident_past_address ON incident_past (address, opened_at) WHERE address IS NOT NULL;

-- Each number that told of an incident, not only the first.
CREATE TABLE incident_caller (
    phone         bigint NOT NULL,
    opened_at     timestamptz NOT NULL,
    incident_id   bigint NOT NULL,
    PRIMARY KEY (phone, opened_at, incident_id)
);

-- How far the past has been filled: everything committed up to `through` is in it.
CREATE TABLE past_progress (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    through timestamptz NOT NULL DEFAULT '2000-01-01 00:00:00+00'
);
INSERT INTO past_progress DEFAULT VALUES;
