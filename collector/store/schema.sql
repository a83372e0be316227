-- The store, version 1. Times are UTC, nanoseconds since 1970, unless they say otherwise.

CREATE TABLE device (
    id              INTEGER PRIMARY KEY,
    name            TEXT NOT NULL UNIQUE,
    label           TEXT,
    first_heard_ns  INTEGER NOT NULL
);

-- One row for each unbroken line of batches; never deleted, since it is what keeps a batch that is
-- sent again from being stored again.
CREATE TABLE epoch (
    id        INTEGER PRIMARY KEY,
    device    INTEGER NOT NULL REFERENCES device,
    epoch     BLOB NOT NULL,             -- 16 bytes
    mark      INTEGER NOT NULL,          -- highest seq committed
    readings  INTEGER NOT NULL,          -- stored of this epoch
    heard_ns  INTEGER NOT NULL,          -- when the mark last moved, by the collector's clock
    UNIQUE (device, epoch)
);

-- What a device says of its series; batches describe themselves and do not need it.
CREATE TABLE series (
    id          INTEGER PRIMARY KEY,
    device      INTEGER NOT NULL REFERENCES device,
    sensor      TEXT NOT NULL,
    channel     TEXT NOT NULL,
    unit        TEXT NOT NULL,
    quantity    TEXT NOT NULL,
    decimals    INTEGER,
    label       TEXT,
    driver      TEXT NOT NULL,
    interval_s  REAL NOT NULL,
    UNIQUE (device, sensor, channel)
);

-- Sealed batches as received, one or more of one epoch end to end in a row.
CREATE TABLE batch (
    id           INTEGER PRIMARY KEY,
    device       INTEGER NOT NULL REFERENCES device,
    epoch        INTEGER NOT NULL REFERENCES epoch,
    first_seq    INTEGER NOT NULL,
    last_seq     INTEGER NOT NULL,
    readings     INTEGER NOT NULL,
    from_ns      INTEGER NOT NULL,       -- first and
    to_ns        INTEGER NOT NULL,       -- last time of the readings, by the batches' clock pairs
    received_ns  INTEGER NOT NULL,
    sealed       BLOB NOT NULL
);
CREATE INDEX batch_time ON batch (device, to_ns, from_ns);

CREATE TABLE gap (
    id           INTEGER PRIMARY KEY,
    device       INTEGER NOT NULL REFERENCES device,
    epoch        INTEGER NOT NULL REFERENCES epoch,
    first_seq    INTEGER NOT NULL,
    last_seq     INTEGER NOT NULL,
    readings     INTEGER,                -- NULL: nobody knows
    reason       TEXT NOT NULL,
    recorded_ns  INTEGER NOT NULL
);

PRAGMA user_version = 1;
