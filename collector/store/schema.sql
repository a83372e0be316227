-- The store, version 5. Times are UTC, nanoseconds since 1970, unless they say otherwise.

CREATE TABLE device (
    id              INTEGER PRIMARY KEY,
    name            TEXT NOT NULL UNIQUE,
    label           TEXT,
    first_heard_ns  INTEGER NOT NULL
);

-- The boots of devices. Times that say CLOCK_BOOTTIME count from their beginning.
CREATE TABLE boot (
    id          INTEGER PRIMARY KEY,
    device      INTEGER NOT NULL REFERENCES device,
    boot_id     BLOB NOT NULL,            -- 16 bytes
    placed      INTEGER NOT NULL,         -- 1: it came behind all placed ones of its device with a lower id
    stale_from  INTEGER,                  -- what was read from then (CLOCK_BOOTTIME)
    stale_to    INTEGER,                  -- to then is to be dated anew; NULL: nothing is
    stale_row   INTEGER,                  -- of batches that end at stale_from: only those behind this one
    UNIQUE (device, boot_id)
);
CREATE INDEX boot_stale ON boot (id) WHERE stale_from IS NOT NULL;

-- What the clocks of a boot showed: what turns its CLOCK_BOOTTIME into UTC.
CREATE TABLE clock_pair (
    boot      INTEGER NOT NULL REFERENCES boot,
    source    INTEGER NOT NULL,           -- 2: the device's own clock, synchronised; 1: measured by the
                                          -- collector, whose own is; 0: measured
    boot_ns   INTEGER NOT NULL,           -- CLOCK_BOOTTIME
    wall_ns   INTEGER NOT NULL,           -- UTC at that moment,
    error_ns  INTEGER NOT NULL,           -- give or take this
    PRIMARY KEY (boot, source, boot_ns)
) WITHOUT ROWID;

-- One row for each unbroken line of batches; never deleted, since it is what keeps a batch that is
-- sent again from being stored again.
CREATE TABLE epoch (
    id         INTEGER PRIMARY KEY,
    device     INTEGER NOT NULL REFERENCES device,
    epoch      BLOB NOT NULL,             -- 16 bytes
    datagrams  INTEGER NOT NULL,          -- 1: its batches come as datagrams, holes are expected
    boot       INTEGER REFERENCES boot,   -- NULL: not told
    began_ns   INTEGER,                   -- when it began (CLOCK_BOOTTIME); NULL: not told
    mark       INTEGER NOT NULL,          -- highest seq committed; of datagrams: highest known of
    batches    INTEGER NOT NULL,          -- stored of this epoch,
    readings   INTEGER NOT NULL,          -- and how many readings they held
    counted    INTEGER,                   -- readings up to the mark, stored or not; NULL: not known
    last_ns    INTEGER,                   -- time of the latest reading stored (CLOCK_BOOTTIME)
    heard_ns   INTEGER NOT NULL,          -- when the mark last moved, by the collector's clock
    ended      TEXT,                      -- why it ended; NULL: it has not, as far as is known
    checksum   INTEGER NOT NULL,          -- CRC-32 of what decides whether a batch is new: soundness.py
    UNIQUE (device, epoch)
);
CREATE INDEX epoch_open ON epoch (device) WHERE ended IS NULL;

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
    max_interval_s REAL,               -- what says nothing new is left out for so long; NULL: nothing is
    UNIQUE (device, sensor, channel)
);

-- Sealed batches as received, one or more of one epoch end to end in a row, all dated in one way.
-- `dated` says how, and dating them anew changes nothing but the columns behind it: order and
-- what is new never depend on it. Ids grow, and are never used again. What is sealed into chunks goes,
-- and its times stay.
CREATE TABLE batch (
    id           INTEGER PRIMARY KEY,
    device       INTEGER NOT NULL REFERENCES device,
    epoch        INTEGER NOT NULL REFERENCES epoch,
    first_seq    INTEGER NOT NULL,
    last_seq     INTEGER NOT NULL,
    readings     INTEGER NOT NULL,
    boot         INTEGER NOT NULL REFERENCES boot,
    first_ns     INTEGER NOT NULL,       -- first and
    last_ns      INTEGER NOT NULL,       -- last time of the readings (CLOCK_BOOTTIME)
    received_ns  INTEGER NOT NULL,
    dated        INTEGER NOT NULL,       -- 0: each by its own pair, which is synchronised; 1: by another
                                         -- synchronised pair; 2: by a measured pair; 3: not at all
    offset_ns    INTEGER,                -- 1, 2: UTC - CLOCK_BOOTTIME,
    error_ns     INTEGER,                -- give or take this
    from_ns      INTEGER NOT NULL,       -- first and
    to_ns        INTEGER NOT NULL,       -- last time of the readings; 3: the earliest and the latest they
                                         -- can have been read, -(2^63 - 1) and 2^63 - 1: nobody knows
    sealed       BLOB NOT NULL
);
CREATE INDEX batch_time ON batch (device, to_ns, from_ns, dated);
CREATE INDEX batch_by_pair ON batch (boot, last_ns) WHERE dated <> 0;

-- The highest id of a batch row that was sealed; one row.
CREATE TABLE progress (
    sealed_row  INTEGER NOT NULL
);

-- What stands in chunks and rollups: a series in one unit.
CREATE TABLE stored_series (
    id       INTEGER PRIMARY KEY,
    device   INTEGER NOT NULL REFERENCES device,
    sensor   TEXT NOT NULL,
    channel  TEXT NOT NULL,
    unit     TEXT NOT NULL,
    UNIQUE (device, sensor, channel, unit)
);

-- Times that several chunks have in common: chunks.py.
CREATE TABLE chunk_times (
    id    INTEGER PRIMARY KEY,
    data  BLOB NOT NULL
);

-- Sealed readings of one series, in order of time: chunks.py. Two may overlap, where some came late.
CREATE TABLE chunk (
    id        INTEGER PRIMARY KEY,
    series    INTEGER NOT NULL REFERENCES stored_series,
    from_ns   INTEGER NOT NULL,              -- first and
    to_ns     INTEGER NOT NULL,              -- last time
    readings  INTEGER NOT NULL,
    times     INTEGER REFERENCES chunk_times, -- NULL: they stand in the data
    data      BLOB NOT NULL
);
CREATE INDEX chunk_time ON chunk (series, to_ns, from_ns, readings);
CREATE INDEX chunk_short ON chunk (series) WHERE readings < 1800;
-- Those that span more than a day: history.py.
CREATE INDEX chunk_long ON chunk (series, to_ns, from_ns, readings) WHERE to_ns - from_ns > 86400000000000;
CREATE INDEX chunk_shared ON chunk (times) WHERE times IS NOT NULL;
-- Those whose flags say that not all is good and synced: doubts.py.
CREATE INDEX chunk_doubtful ON chunk (series, to_ns, from_ns) WHERE substr(data, 2, 1) > x'01';

-- What readings of one series come to, by minute and by hour: rollups.py. Rows add up: of one minute two may
-- have a part each.
CREATE TABLE rollup (
    id       INTEGER PRIMARY KEY,
    series   INTEGER NOT NULL REFERENCES stored_series,
    from_ns  INTEGER NOT NULL,               -- begin of the first hour and
    to_ns    INTEGER NOT NULL,               -- of the last minute that has a reading
    buckets  INTEGER NOT NULL,               -- minutes
    minutes  BLOB,                           -- NULL: no longer kept
    hours    BLOB                            -- NULL: the minutes say it
);
CREATE INDEX rollup_time ON rollup (series, to_ns, from_ns);
CREATE INDEX rollup_short ON rollup (series) WHERE buckets < 2048;

-- How many readings of a device are here no more: deleted on purpose, and gone by `retention`.
CREATE TABLE removal (
    device   INTEGER PRIMARY KEY REFERENCES device,
    deleted  INTEGER NOT NULL,
    expired  INTEGER NOT NULL
);

-- How large the store was, once a day.
CREATE TABLE growth (
    day         INTEGER PRIMARY KEY,         -- days since 1970, UTC
    used_bytes  INTEGER NOT NULL
);

-- Batches that could not be read when they were to be sealed, as they came; each is a gap, too.
CREATE TABLE undecodable (
    id           INTEGER PRIMARY KEY,
    device       INTEGER NOT NULL REFERENCES device,
    epoch        INTEGER NOT NULL REFERENCES epoch,
    received_ns  INTEGER NOT NULL,
    sealed       BLOB NOT NULL
);

-- What is missing, and why. It concerns all series of the device. The numbers say which kind it is:
--   first_seq to last_seq   batches that will not come; of a datagram epoch: some of those
--   first_seq, NULL         the tail of an epoch: whatever came from first_seq on is lost, nobody
--                           knows how much; at most one an epoch; it goes where the epoch goes on
--   0, 0                    the device lost its spool before this epoch, nobody knows how much
--   epoch NULL              the collector lost a span of time: its store is from a backup
CREATE TABLE gap (
    id           INTEGER PRIMARY KEY,
    device       INTEGER NOT NULL REFERENCES device,
    epoch        INTEGER REFERENCES epoch,  -- NULL: of no epoch, but of a span of time
    first_seq    INTEGER,
    last_seq     INTEGER,                   -- NULL: nobody knows how many batches there were
    before       INTEGER,                   -- readings of the epoch before it; NULL: not known
    readings     INTEGER,                   -- readings in it; NULL: nobody knows how many
    from_ns      INTEGER,                   -- no later than the first reading that is missing, and
    to_ns        INTEGER,                   -- no earlier than the last; NULL: not known
    from_boot    INTEGER REFERENCES boot,   -- the same as CLOCK_BOOTTIME of a boot, from which they are
    from_at      INTEGER,                   -- dated anew; without a boot
    to_boot      INTEGER REFERENCES boot,   -- they are UTC
    to_at        INTEGER,
    reason       TEXT NOT NULL,
    recorded_ns  INTEGER NOT NULL
);
CREATE INDEX gap_epoch ON gap (epoch);

-- In a copy that `backup` made: when it was taken. The first collector that opens it for writing
-- records what has come since as gaps, and takes the row away.
CREATE TABLE backup_stamp (
    taken_ns  INTEGER NOT NULL
);

INSERT INTO progress (sealed_row) VALUES (0);

PRAGMA user_version = 5;
