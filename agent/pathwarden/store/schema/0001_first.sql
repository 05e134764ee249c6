-- The lasting database. Every table is STRICT: what goes in with a wrong type is an error, not a surprise when read.
-- REFERENCES tell the reader where an id leads; they are not enforced, since enforcing needs an index on every referring column.
-- Rows that nothing refers to any more go when the history is trimmed (retention.py).

-- "PWrd": a file with another number belongs to another program.
PRAGMA application_id = 1347908196;

CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO meta (key, value) VALUES ('database_id', lower(hex(randomblob(8))));

-- Everything below names addresses, targets and boots by number: one or two bytes instead of up to 39.
CREATE TABLE addresses (
    id INTEGER PRIMARY KEY,
    address TEXT NOT NULL UNIQUE
) STRICT;

-- latest: the trace written last. It outlives a step of the clock, which the newest `at` does not.
CREATE TABLE targets (
    id INTEGER PRIMARY KEY,
    target TEXT NOT NULL UNIQUE,
    latest INTEGER REFERENCES traces (id)
) STRICT;

CREATE TABLE boots (
    id INTEGER PRIMARY KEY,
    boot TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE kernel_routes (
    id INTEGER PRIMARY KEY,
    device TEXT NOT NULL,
    source TEXT NOT NULL,
    gateway TEXT NOT NULL,
    route_table INTEGER NOT NULL,
    UNIQUE (device, source, gateway, route_table)
) STRICT;

-- What stays the same from one trace of a target to the next.
CREATE TABLE flows (
    id INTEGER PRIMARY KEY,
    target INTEGER NOT NULL REFERENCES targets (id),
    address TEXT NOT NULL,
    source TEXT NOT NULL,
    transport TEXT NOT NULL,
    kernel_route INTEGER REFERENCES kernel_routes (id),
    af INTEGER NOT NULL,
    method TEXT NOT NULL,
    src TEXT NOT NULL,
    dst TEXT NOT NULL,
    sport INTEGER NOT NULL,
    dport INTEGER NOT NULL,
    tos INTEGER NOT NULL,
    label INTEGER NOT NULL,
    size INTEGER NOT NULL
) STRICT;
CREATE INDEX flows_by_target ON flows (target, sport);

-- Every path once. hops: codec.encode_hops. path_id is not unique, since twelve digits can collide; path_id and hops together are.
CREATE TABLE paths (
    id INTEGER PRIMARY KEY,
    path_id TEXT NOT NULL,
    hops BLOB NOT NULL
) STRICT;
CREATE INDEX paths_by_name ON paths (path_id);

-- Every form once: codec.encode_trace.
CREATE TABLE forms (
    id INTEGER PRIMARY KEY,
    form BLOB NOT NULL UNIQUE
) STRICT;

-- The canonical paths of the targets. Instants in nanoseconds since 1970.
CREATE TABLE routes (
    id INTEGER PRIMARY KEY,
    route_id TEXT NOT NULL UNIQUE,
    target INTEGER NOT NULL REFERENCES targets (id),
    label TEXT NOT NULL,
    address TEXT NOT NULL,
    epoch TEXT NOT NULL,
    hops BLOB NOT NULL,
    length INTEGER,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    held_s INTEGER NOT NULL,
    traces INTEGER NOT NULL,
    rtt_ms REAL,
    loss_pct REAL NOT NULL
) STRICT;
CREATE INDEX routes_by_target ON routes (target, held_s);

-- One row per trace. Round-trip times to the destination are in steps of 0.01 ms, NULL if it did not answer; sent and lost count
-- the destination's probes. All the rest is in detail: codec.encode_trace.
CREATE TABLE traces (
    id INTEGER PRIMARY KEY,
    target INTEGER NOT NULL REFERENCES targets (id),
    at INTEGER NOT NULL,
    flow INTEGER NOT NULL REFERENCES flows (id),
    path INTEGER NOT NULL REFERENCES paths (id),
    form INTEGER NOT NULL REFERENCES forms (id),
    route INTEGER REFERENCES routes (id),
    boot INTEGER NOT NULL REFERENCES boots (id),
    rtt_min INTEGER,
    rtt_median INTEGER,
    rtt_max INTEGER,
    sent INTEGER NOT NULL,
    lost INTEGER NOT NULL,
    detail BLOB NOT NULL
) STRICT;
CREATE INDEX traces_by_time ON traces (target, at);

-- AUTOINCREMENT: a number that subscribers have seen never comes back for another event.
CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id TEXT NOT NULL UNIQUE,
    target INTEGER NOT NULL REFERENCES targets (id),
    change_no INTEGER NOT NULL,
    event_type TEXT NOT NULL,
    severity TEXT NOT NULL,
    notify INTEGER NOT NULL,
    at INTEGER NOT NULL,
    clock_synced INTEGER NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (target, change_no)
) STRICT;
CREATE INDEX events_by_target ON events (target);
CREATE INDEX events_by_time ON events (target, at);

-- Events that the broker does not have yet. failed: why it will never take this one, NULL while waiting.
CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY REFERENCES events (seq),
    failed TEXT
) STRICT;

-- Each target's state machine, JSON.
CREATE TABLE states (
    target INTEGER PRIMARY KEY REFERENCES targets (id),
    state TEXT NOT NULL
) STRICT;
