-- Old traces go into blocks, and later into days; new ones wait in `traces`, which stays small and needs no index.
DROP INDEX traces_by_time;

-- Traces of one target and one UTC day, or of one flush and any targets (NULL): blocks.py. id: that of its first trace in order of writing, last_id that of its last.
-- synced: whether the clock was known to be right for all of them (1) or for none (0).
CREATE TABLE blocks (
    id INTEGER PRIMARY KEY,
    last_id INTEGER NOT NULL,
    target INTEGER REFERENCES targets (id),
    day INTEGER NOT NULL,
    at_from INTEGER NOT NULL,
    at_to INTEGER NOT NULL,
    traces INTEGER NOT NULL,
    synced INTEGER NOT NULL,
    heads BLOB NOT NULL,
    details BLOB NOT NULL
) STRICT;
CREATE INDEX blocks_by_time ON blocks (target, at_to, at_from) WHERE target IS NOT NULL;

-- What is left of a day's traces: levels.py. A day has more than one row only if it had very many traces.
CREATE TABLE days (
    id INTEGER PRIMARY KEY,
    target INTEGER NOT NULL REFERENCES targets (id),
    day INTEGER NOT NULL,
    traces INTEGER NOT NULL,
    whole BLOB NOT NULL
) STRICT;
CREATE INDEX days_by_time ON days (target, day);

-- The hours of a day, as long as they are known. A table of their own: in one with the days their pages would not become free.
CREATE TABLE hours (
    id INTEGER PRIMARY KEY REFERENCES days (id),
    figures BLOB NOT NULL
) STRICT;

-- Since when a target's traces followed a route.
CREATE TABLE spans (
    target INTEGER NOT NULL REFERENCES targets (id),
    at INTEGER NOT NULL,
    route INTEGER NOT NULL REFERENCES routes (id),
    PRIMARY KEY (target, at)
) STRICT, WITHOUT ROWID;
INSERT OR IGNORE INTO spans (target, at, route)
    SELECT target, at, route FROM (
        SELECT target, at, route, lag(route) OVER (PARTITION BY target ORDER BY at, id) AS earlier FROM traces WHERE route IS NOT NULL
    ) WHERE earlier IS NULL OR route <> earlier;

-- Which of two versions is newer, the lasting one or that of the live database: the greater number of a record.
ALTER TABLE states ADD COLUMN stamp INTEGER NOT NULL DEFAULT 0;
ALTER TABLE telling ADD COLUMN stamp INTEGER NOT NULL DEFAULT 0;
ALTER TABLE routes ADD COLUMN stamp INTEGER NOT NULL DEFAULT 0;
