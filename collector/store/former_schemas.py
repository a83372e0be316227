"""The statements that make of one version of the store the next; released ones are never changed."""

VERSION_2 = (
    """
    CREATE TABLE new_epoch (
        id         INTEGER PRIMARY KEY,
        device     INTEGER NOT NULL REFERENCES device,
        epoch      BLOB NOT NULL,
        datagrams  INTEGER NOT NULL,
        boot_id    BLOB,
        began_ns   INTEGER,
        offset_ns  INTEGER,
        mark       INTEGER NOT NULL,
        batches    INTEGER NOT NULL,
        readings   INTEGER NOT NULL,
        counted    INTEGER,
        last_ns    INTEGER,
        heard_ns   INTEGER NOT NULL,
        ended      TEXT,
        checksum   INTEGER NOT NULL,
        UNIQUE (device, epoch)
    )
    """,
    """
    CREATE TABLE new_gap (
        id           INTEGER PRIMARY KEY,
        device       INTEGER NOT NULL REFERENCES device,
        epoch        INTEGER REFERENCES epoch,
        first_seq    INTEGER,
        last_seq     INTEGER,
        before       INTEGER,
        readings     INTEGER,
        from_ns      INTEGER,
        to_ns        INTEGER,
        reason       TEXT NOT NULL,
        recorded_ns  INTEGER NOT NULL
    )
    """,
    "CREATE TABLE backup_stamp (taken_ns INTEGER NOT NULL)",
    """
    WITH known AS (
        SELECT *, row_number() OVER (PARTITION BY device ORDER BY heard_ns DESC, id DESC) AS latest
        FROM epoch
    ), stored AS (
        SELECT epoch, sum(last_seq - first_seq + 1) AS batches, max(to_ns) AS last_ns
        FROM batch GROUP BY epoch
    )
    INSERT INTO new_epoch
    SELECT known.id, device, known.epoch, 0, NULL, NULL, NULL, mark, ifnull(batches, 0), readings,
        iif(EXISTS (SELECT 1 FROM gap WHERE gap.epoch = known.id), NULL, readings), last_ns, heard_ns,
        iif(latest = 1, NULL, 'restarted'), 0
    FROM known LEFT JOIN stored ON stored.epoch = known.id ORDER BY known.id
    """,
    """
    UPDATE new_epoch
    SET checksum = epoch_checksum(device, epoch, mark, CAST(ended AS BLOB), datagrams)
    """,
    """
    INSERT INTO new_gap
    SELECT id, device, epoch, first_seq, last_seq, NULL, readings, NULL, NULL, reason, recorded_ns
    FROM gap ORDER BY id
    """,
    "DROP TABLE gap",
    "DROP TABLE epoch",
    "ALTER TABLE new_epoch RENAME TO epoch",
    "ALTER TABLE new_gap RENAME TO gap",
    "CREATE INDEX epoch_open ON epoch (device) WHERE ended IS NULL",
    "CREATE INDEX gap_epoch ON gap (epoch)",
)

VERSION_3_TABLES = (
    """
    CREATE TABLE boot (
        id          INTEGER PRIMARY KEY,
        device      INTEGER NOT NULL REFERENCES device,
        boot_id     BLOB NOT NULL,
        placed      INTEGER NOT NULL,
        stale_from  INTEGER,
        stale_to    INTEGER,
        stale_row   INTEGER,
        UNIQUE (device, boot_id)
    )
    """,
    "CREATE INDEX boot_stale ON boot (id) WHERE stale_from IS NOT NULL",
    """
    CREATE TABLE clock_pair (
        boot      INTEGER NOT NULL REFERENCES boot,
        source    INTEGER NOT NULL,
        boot_ns   INTEGER NOT NULL,
        wall_ns   INTEGER NOT NULL,
        error_ns  INTEGER NOT NULL,
        PRIMARY KEY (boot, source, boot_ns)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE new_batch (
        id           INTEGER PRIMARY KEY,
        device       INTEGER NOT NULL REFERENCES device,
        epoch        INTEGER NOT NULL REFERENCES epoch,
        first_seq    INTEGER NOT NULL,
        last_seq     INTEGER NOT NULL,
        readings     INTEGER NOT NULL,
        boot         INTEGER NOT NULL REFERENCES boot,
        first_ns     INTEGER NOT NULL,
        last_ns      INTEGER NOT NULL,
        received_ns  INTEGER NOT NULL,
        dated        INTEGER NOT NULL,
        offset_ns    INTEGER,
        error_ns     INTEGER,
        from_ns      INTEGER NOT NULL,
        to_ns        INTEGER NOT NULL,
        sealed       BLOB NOT NULL
    )
    """,
    """
    CREATE TABLE new_epoch (
        id         INTEGER PRIMARY KEY,
        device     INTEGER NOT NULL REFERENCES device,
        epoch      BLOB NOT NULL,
        datagrams  INTEGER NOT NULL,
        boot       INTEGER REFERENCES boot,
        began_ns   INTEGER,
        mark       INTEGER NOT NULL,
        batches    INTEGER NOT NULL,
        readings   INTEGER NOT NULL,
        counted    INTEGER,
        last_ns    INTEGER,
        heard_ns   INTEGER NOT NULL,
        ended      TEXT,
        checksum   INTEGER NOT NULL,
        UNIQUE (device, epoch)
    )
    """,
    """
    CREATE TABLE new_gap (
        id           INTEGER PRIMARY KEY,
        device       INTEGER NOT NULL REFERENCES device,
        epoch        INTEGER REFERENCES epoch,
        first_seq    INTEGER,
        last_seq     INTEGER,
        before       INTEGER,
        readings     INTEGER,
        from_ns      INTEGER,
        to_ns        INTEGER,
        from_boot    INTEGER REFERENCES boot,
        from_at      INTEGER,
        to_boot      INTEGER REFERENCES boot,
        to_at        INTEGER,
        reason       TEXT NOT NULL,
        recorded_ns  INTEGER NOT NULL
    )
    """,
    # In the order of their readings: none of these boots was told in its place.
    """
    INSERT INTO boot (device, boot_id, placed)
    SELECT device, boot_id, 0 FROM epoch WHERE boot_id IS NOT NULL
    GROUP BY device, boot_id ORDER BY min(id)
    """,
)

VERSION_3_REST = (
    """
    INSERT INTO new_epoch
    SELECT epoch.id, epoch.device, epoch.epoch, datagrams, ifnull(batches_boot, boot.id),
        iif(ifnull(batches_boot, boot.id) IS boot.id, began_ns - offset_ns, NULL), mark, batches,
        readings, counted, batches_last, heard_ns, ended, checksum
    FROM epoch LEFT JOIN boot ON boot.device = epoch.device AND boot.boot_id = epoch.boot_id
    LEFT JOIN (SELECT epoch AS its, max(boot) AS batches_boot, max(last_ns) AS batches_last
        FROM new_batch GROUP BY epoch) ON its = epoch.id
    ORDER BY epoch.id
    """,
    """
    INSERT INTO new_gap
    SELECT id, device, epoch, first_seq, last_seq, before, readings, from_ns, to_ns,
        NULL, NULL, NULL, NULL, reason, recorded_ns
    FROM gap ORDER BY id
    """,
    "DROP TABLE gap",
    "DROP TABLE batch",
    "DROP TABLE epoch",
    "ALTER TABLE new_epoch RENAME TO epoch",
    "ALTER TABLE new_batch RENAME TO batch",
    "ALTER TABLE new_gap RENAME TO gap",
    "CREATE INDEX epoch_open ON epoch (device) WHERE ended IS NULL",
    "CREATE INDEX gap_epoch ON gap (epoch)",
    "CREATE INDEX batch_time ON batch (device, to_ns, from_ns)",
    "CREATE INDEX batch_by_pair ON batch (boot, last_ns) WHERE dated <> 0",
)

VERSION_4 = (
    "DROP INDEX batch_time",
    "CREATE INDEX batch_time ON batch (device, to_ns, from_ns, dated)",
    "CREATE TABLE progress (sealed_row INTEGER NOT NULL)",
    "INSERT INTO progress (sealed_row) VALUES (0)",
    """
    CREATE TABLE stored_series (
        id       INTEGER PRIMARY KEY,
        device   INTEGER NOT NULL REFERENCES device,
        sensor   TEXT NOT NULL,
        channel  TEXT NOT NULL,
        unit     TEXT NOT NULL,
        UNIQUE (device, sensor, channel, unit)
    )
    """,
    "CREATE TABLE chunk_times (id INTEGER PRIMARY KEY, data BLOB NOT NULL)",
    """
    CREATE TABLE chunk (
        id        INTEGER PRIMARY KEY,
        series    INTEGER NOT NULL REFERENCES stored_series,
        from_ns   INTEGER NOT NULL,
        to_ns     INTEGER NOT NULL,
        readings  INTEGER NOT NULL,
        times     INTEGER REFERENCES chunk_times,
        data      BLOB NOT NULL
    )
    """,
    "CREATE INDEX chunk_time ON chunk (series, to_ns, from_ns, readings)",
    "CREATE INDEX chunk_short ON chunk (series) WHERE readings < 1800",
    "CREATE INDEX chunk_shared ON chunk (times) WHERE times IS NOT NULL",
    """
    CREATE TABLE rollup (
        id       INTEGER PRIMARY KEY,
        series   INTEGER NOT NULL REFERENCES stored_series,
        from_ns  INTEGER NOT NULL,
        to_ns    INTEGER NOT NULL,
        buckets  INTEGER NOT NULL,
        minutes  BLOB,
        hours    BLOB
    )
    """,
    "CREATE INDEX rollup_time ON rollup (series, to_ns, from_ns)",
    "CREATE INDEX rollup_short ON rollup (series) WHERE buckets < 2048",
    """
    CREATE TABLE removal (
        device   INTEGER PRIMARY KEY REFERENCES device,
        deleted  INTEGER NOT NULL,
        expired  INTEGER NOT NULL
    )
    """,
    "CREATE TABLE growth (day INTEGER PRIMARY KEY, used_bytes INTEGER NOT NULL)",
    """
    CREATE TABLE undecodable (
        id           INTEGER PRIMARY KEY,
        device       INTEGER NOT NULL REFERENCES device,
        epoch        INTEGER NOT NULL REFERENCES epoch,
        received_ns  INTEGER NOT NULL,
        sealed       BLOB NOT NULL
    )
    """,
)

VERSION_5 = (
    "ALTER TABLE series ADD COLUMN max_interval_s REAL",
    "CREATE INDEX chunk_long ON chunk (series, to_ns, from_ns, readings)"
    " WHERE to_ns - from_ns > 86400000000000",
    "CREATE INDEX chunk_doubtful ON chunk (series, to_ns, from_ns)"
    " WHERE substr(data, 2, 1) > x'01'",
)
