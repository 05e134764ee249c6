-- What is told, as it stands: JSON by target, '' is the agent's own. Written with the events that changed it.
CREATE TABLE telling (
    target TEXT PRIMARY KEY,
    state TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The newest incidents as they were told last. body: the JSON object of the agent's event. closed_at is NULL while one is open.
CREATE TABLE incidents (
    id INTEGER PRIMARY KEY,
    incident_id TEXT NOT NULL UNIQUE,
    opened_at INTEGER NOT NULL,
    closed_at INTEGER,
    body TEXT NOT NULL
) STRICT;
