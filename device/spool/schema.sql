-- One tier of the spool, version 1. Both tiers have the same tables.

-- One row for each epoch that the collector does not know to be over. `facts` is MessagePack and a
-- CRC-32 (device/spool/records.py); the number counts the epochs of this device, the oldest lowest.
CREATE TABLE epoch (
    number  INTEGER PRIMARY KEY,
    facts   BLOB NOT NULL
);

-- The open batch: what was accepted and has no seq yet, a read a row, with a CRC-32 each.
CREATE TABLE tick (
    id     INTEGER PRIMARY KEY,
    epoch  INTEGER NOT NULL,        -- its number
    body   BLOB NOT NULL
);

-- Closed batches, sealed as they will travel; and gaps, in the place of what was dropped.
CREATE TABLE batch (
    epoch     INTEGER NOT NULL,     -- its number
    seq       INTEGER NOT NULL,     -- of the batch; of the first that a gap stands for
    last_seq  INTEGER NOT NULL,
    readings  INTEGER NOT NULL,     -- in the batch; 0 for a gap
    body      BLOB NOT NULL,
    PRIMARY KEY (epoch, seq)
) WITHOUT ROWID;

-- The last batches that the collector refused for good, kept for looking at.
CREATE TABLE rejected (
    id      INTEGER PRIMARY KEY,
    detail  TEXT NOT NULL,
    sealed  BLOB NOT NULL
);

-- Why an earlier spool is gone, until the collector has been told.
CREATE TABLE notice (
    reason  TEXT NOT NULL
);

PRAGMA user_version = 1;
