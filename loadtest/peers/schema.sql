-- The peer's tables. Places are metres east and north of the city's middle, so that PostgreSQL's own point type measures right.
CREATE EXTENSION IF NOT EXISTS pg_trgm;

CREATE TABLE subscriber (phone text PRIMARY KEY, name text NOT NULL, line text NOT NULL, address text NOT NULL, place point);
-- A street is found by its words, and then its house or corner by key: trigrams over all addresses take a hundred times as long.
CREATE TABLE street_name (words text NOT NULL, street_id integer NOT NULL);
CREATE TABLE house (
    street_id integer NOT NULL,
    number text NOT NULL,
    shown text NOT NULL,
    place point NOT NULL,
    PRIMARY KEY (street_id, number)
);
CREATE TABLE corner (
    street_id integer NOT NULL,
    other_id integer NOT NULL,
    shown text NOT NULL,
    place point NOT NULL,
    PRIMARY KEY (street_id, other_id)
);
CREATE TABLE district (territory text PRIMARY KEY, area polygon NOT NULL);
CREATE TABLE crew (
    crew_id text PRIMARY KEY,
    capabilities text[] NOT NULL,
    territory text NOT NULL,
    outside boolean NOT NULL,
    state text NOT NULL,
    incident_id bigint,
    place point NOT NULL
) WITH (fillfactor = 60);

CREATE TABLE incident (
    incident_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    opened_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    closed_at timestamptz,
    state text NOT NULL,
    category text NOT NULL,
    priority smallint NOT NULL,
    territory text NOT NULL,
    address text NOT NULL,
    phone text NOT NULL,
    caller text NOT NULL,
    event_count integer NOT NULL DEFAULT 1,
    place point
) WITH (fillfactor = 60);
CREATE TABLE event (
    source text NOT NULL,
    seq bigint NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    incident_id bigint NOT NULL,
    phone text NOT NULL,
    payload json NOT NULL,
    PRIMARY KEY (source, seq)
);
CREATE TABLE incident_log (
    incident_id bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    fact text NOT NULL,
    body json NOT NULL
);
CREATE TABLE assignment (
    assignment_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    incident_id bigint NOT NULL,
    crew_id text NOT NULL,
    capability text NOT NULL,
    state text NOT NULL,
    offered_at timestamptz NOT NULL DEFAULT now(),
    distance_m double precision NOT NULL,
    explanation json NOT NULL
);
-- What must have happened by when; whoever watches them asks for those that are due.
CREATE TABLE term (
    incident_id bigint NOT NULL,
    kind text NOT NULL,
    about text NOT NULL,
    due_at timestamptz NOT NULL
);
