-- Registers the centre is given from outside: the telephone exchanges' subscriber base (OCC-1) and the devices' places.

-- Which import a register's rows come from. A cache that has seen another version forgets what it knows.
CREATE TABLE register_version (
    register    text PRIMARY KEY CHECK (register IN ('subscriber', 'device')),
    version     bigint NOT NULL DEFAULT 0,
    row_count   bigint NOT NULL DEFAULT 0,
    imported_at timestamptz
);
INSERT INTO register_version (register) VALUES ('subscriber'), ('device');

-- The number is the digits of its E.164: 8 bytes in the row and in the index, where text would take 13 and compare by locale.
-- An import replaces this table by another one of the same shape: nothing may refer to it.
CREATE TABLE subscriber (
    phone         bigint NOT NULL,
    latitude_deg  double precision CHECK (latitude_deg BETWEEN -90 AND 90),
    longitude_deg double precision CHECK (longitude_deg BETWEEN -180 AND 180),
    line          text NOT NULL CHECK (line IN ('', 'landline', 'mobile', 'payphone', 'voip', 'm2m')),
    name          text NOT NULL,
    address       text NOT NULL,
    CHECK ((latitude_deg IS NULL) = (longitude_deg IS NULL)),
    PRIMARY KEY (phone)
);

CREATE TABLE device (
    device_id     text PRIMARY KEY,
    kind          text NOT NULL CHECK (kind IN ('', 'camera', 'panel', 'button', 'sensor')),
    latitude_deg  double precision NOT NULL CHECK (latitude_deg BETWEEN -90 AND 90),
    longitude_deg double precision NOT NULL CHECK (longitude_deg BETWEEN -180 AND 180),
    address       text NOT NULL
);
