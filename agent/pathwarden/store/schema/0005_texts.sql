-- Long texts are packed (texts.py): BLOB; one from before, or in the live database, is TEXT.
-- event_id is not unique by an index of its own any more: (target, change_no) tells events apart, and also orders those of a target.
CREATE TABLE new_events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id TEXT NOT NULL,
    target INTEGER NOT NULL REFERENCES targets (id),
    change_no INTEGER NOT NULL,
    event_type TEXT NOT NULL,
    severity TEXT NOT NULL,
    notify INTEGER NOT NULL,
    at INTEGER NOT NULL,
    clock_synced INTEGER NOT NULL,
    body ANY NOT NULL,
    UNIQUE (target, change_no)
) STRICT;
INSERT INTO new_events SELECT seq, event_id, target, change_no, event_type, severity, notify, at, clock_synced, body FROM events ORDER BY seq;
-- The numbers go on behind those of events that were given up.
UPDATE sqlite_sequence SET seq = (SELECT max(seq) FROM sqlite_sequence WHERE name IN ('events', 'new_events')) WHERE name = 'new_events';
INSERT INTO sqlite_sequence (name, seq) SELECT 'new_events', seq FROM sqlite_sequence
    WHERE name = 'events' AND NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'new_events');
DROP TABLE events;
ALTER TABLE new_events RENAME TO events;
CREATE INDEX events_by_time ON events (target, at);

-- With a rowid: a row of it holds four times as much before it needs pages of its own.
CREATE TABLE new_telling (
    target TEXT PRIMARY KEY,
    state ANY NOT NULL,
    stamp INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO new_telling SELECT target, state, stamp FROM telling;
DROP TABLE telling;
ALTER TABLE new_telling RENAME TO telling;

CREATE TABLE new_incidents (
    id INTEGER PRIMARY KEY,
    incident_id TEXT NOT NULL UNIQUE,
    opened_at INTEGER NOT NULL,
    closed_at INTEGER,
    body ANY NOT NULL
) STRICT;
INSERT INTO new_incidents SELECT id, incident_id, opened_at, closed_at, body FROM incidents;
DROP TABLE incidents;
ALTER TABLE new_incidents RENAME TO incidents;

-- Mixed blocks are few, among many.
CREATE INDEX mixed_blocks ON blocks (last_id) WHERE target IS NULL;

-- Ordered by time held the index changed with every route that was written again.
DROP INDEX routes_by_target;
CREATE INDEX routes_by_target ON routes (target);
