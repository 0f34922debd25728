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
