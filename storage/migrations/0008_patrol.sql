-- Patrol routes, in versions (storage.patrol_routes): what was in force stays as it was, so that a past day can be asked for.
-- Which registers there are is said by the migrations that bring them: a list in a check would have each one rewrite it.
ALTER TABLE register_version DROP CONSTRAINT IF EXISTS register_version_register_check;
INSERT INTO register_version (register) VALUES ('patrol_route');

CREATE TABLE patrol_route (
    route_id    text NOT NULL,
    version     integer NOT NULL CHECK (version > 0),
    valid_from  timestamptz NOT NULL,        -- shifts that begin from here on ...
    valid_until timestamptz,                 -- ... and before this are its; NULL: until another version
    imported_at timestamptz NOT NULL,
    source_name text NOT NULL,
    name        text NOT NULL,
    width_m     double precision NOT NULL CHECK (width_m >= 0),
    stand_s     integer CHECK (stand_s >= 0),
    timetable   json NOT NULL,               -- core.timetable.Timetable
    crews       text[],                      -- NULL: the roster says who
    shape       bytea NOT NULL,              -- WKB, longitude then latitude
    CHECK (valid_until > valid_from),
    PRIMARY KEY (route_id, version)
);
CREATE UNIQUE INDEX patrol_route_open ON patrol_route (route_id) WHERE valid_until IS NULL;
