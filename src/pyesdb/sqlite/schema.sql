-- The file of one store, format 1. Tables are singular and ours; the views `events` and `streams`
-- are stable and for people and tools. Times are microseconds since 1970 UTC.

-- name: schema
CREATE TABLE meta (
    key TEXT PRIMARY KEY,           -- format, machine, database, store, incarnation, revision, ...
    value ANY NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE state (                -- the last entry, when that entry stored no event
    one INTEGER PRIMARY KEY CHECK (one = 1),
    value BLOB NOT NULL,            -- msgpack: machine.state.State
    head INTEGER NOT NULL           -- its position
) STRICT;

CREATE TABLE mark (                 -- the chain at multiples of 1000 entries
    seq INTEGER PRIMARY KEY,
    chain BLOB NOT NULL
) STRICT;

CREATE TABLE stream (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    created INTEGER NOT NULL,
    touched INTEGER NOT NULL,       -- when this row was last written
    state INTEGER NOT NULL,         -- 0 active, 1 deleted, 2 tombstoned
    first INTEGER NOT NULL,         -- first visible version
    swept INTEGER NOT NULL,         -- every version below is reclaimed
    max_age INTEGER,                -- microseconds
    max_count INTEGER,
    custom BLOB                     -- JSON
) STRICT;
CREATE INDEX stream_to_sweep ON stream (id) WHERE first > swept;
CREATE INDEX stream_with_age ON stream (id) WHERE max_age IS NOT NULL;

CREATE TABLE type (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE tag (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;

CREATE TABLE event (
    position INTEGER PRIMARY KEY,
    stream INTEGER NOT NULL,
    version INTEGER NOT NULL,
    type INTEGER NOT NULL,
    id BLOB NOT NULL,               -- 16 bytes
    created INTEGER NOT NULL,
    time INTEGER,                   -- when it happened, if given
    content_type TEXT,              -- NULL: application/json
    data BLOB NOT NULL,
    metadata BLOB NOT NULL,         -- JSON, or empty
    tags BLOB NOT NULL,             -- JSON array, or empty
    digest BLOB,                    -- on the last event of an append: 16 bytes over all of it
    entry BLOB                      -- on the last event of an entry: machine.state.State
) STRICT;
CREATE UNIQUE INDEX event_by_stream ON event (stream, version);
CREATE INDEX event_by_type ON event (type);

CREATE TABLE event_tag (
    tag INTEGER NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (tag, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE event_payload (        -- the paths of the setting indexed_payload
    path TEXT NOT NULL,
    value TEXT NOT NULL,            -- model.encoding.payload_key
    position INTEGER NOT NULL,
    PRIMARY KEY (path, value, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE pruned (               -- digests of appends of which scavenge reclaimed events
    position INTEGER PRIMARY KEY,   -- of the append's last event
    stream INTEGER NOT NULL,
    first INTEGER NOT NULL,         -- its first and last version
    last INTEGER NOT NULL,
    digest BLOB NOT NULL,           -- as appended
    kept BLOB                       -- over the events that are left, NULL when none is
) STRICT;
CREATE INDEX pruned_by_stream ON pruned (stream, last);

CREATE TABLE command (              -- recorded outcomes; a success binds the id
    id BLOB NOT NULL,
    digest BLOB NOT NULL,
    time INTEGER NOT NULL,
    outcome BLOB NOT NULL,          -- msgpack: model.outcomes.Outcome
    PRIMARY KEY (id, digest)
) STRICT, WITHOUT ROWID;

CREATE TABLE tracking (source TEXT PRIMARY KEY, position INTEGER NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE snapshot (
    source TEXT NOT NULL,
    stream TEXT NOT NULL,
    version INTEGER NOT NULL,
    created INTEGER NOT NULL,
    content_type TEXT NOT NULL,
    data BLOB NOT NULL,
    metadata BLOB NOT NULL,
    PRIMARY KEY (stream, source, version)
) STRICT;

CREATE TABLE subscription (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    clauses BLOB NOT NULL,          -- msgpack: model.selectors.Clause
    settings BLOB NOT NULL,         -- msgpack: machine.subscriptions.Kept
    cursor INTEGER NOT NULL,
    created INTEGER NOT NULL
) STRICT;

CREATE TABLE delivery (             -- what a subscription owes: everything between cursor and ack
    subscription INTEGER NOT NULL,
    position INTEGER NOT NULL,
    stream INTEGER NOT NULL,
    state INTEGER NOT NULL,         -- 0 due, 1 in flight, 2 parked, 3 waiting behind its stream
    consumer BLOB NOT NULL,         -- in flight: who holds it; due, waiting: who was lost with it
    due INTEGER NOT NULL,           -- due: not before; in flight: end of the lease; parked: when
    attempt INTEGER NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (subscription, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX delivery_in_flight ON delivery
    (subscription, due, position, stream, consumer, attempt) WHERE state = 1;
CREATE INDEX delivery_due ON delivery (subscription, due, position) WHERE state = 0;
CREATE INDEX delivery_parked ON delivery (subscription, position) WHERE state = 2;
CREATE INDEX delivery_behind ON delivery (subscription, stream, state, position) WHERE state <> 1;

CREATE VIEW events (position, stream, version, type, id, created, time, content_type, data, metadata,
    tags) AS
SELECT e.position, s.name, e.version, t.name,
    lower(substr(hex(e.id), 1, 8) || '-' || substr(hex(e.id), 9, 4) || '-' ||
        substr(hex(e.id), 13, 4) || '-' || substr(hex(e.id), 17, 4) || '-' || substr(hex(e.id), 21)),
    strftime('%Y-%m-%dT%H:%M:%S', e.created / 1000000, 'unixepoch') ||
        printf('.%06dZ', e.created % 1000000),
    strftime('%Y-%m-%dT%H:%M:%S', (coalesce(e.time, e.created)
        - (coalesce(e.time, e.created) % 1000000 + 1000000) % 1000000) / 1000000, 'unixepoch') ||
        printf('.%06dZ', (coalesce(e.time, e.created) % 1000000 + 1000000) % 1000000),
    coalesce(e.content_type, 'application/json'),
    iif(e.content_type IS NULL, CAST(e.data AS TEXT), e.data),
    iif(e.metadata = x'', '{}', CAST(e.metadata AS TEXT)),
    iif(e.tags = x'', '[]', CAST(e.tags AS TEXT))
FROM event e JOIN stream s ON s.id = e.stream JOIN type t ON t.id = e.type;

CREATE VIEW streams (stream, version, first_version, state, created, max_age, max_count) AS
SELECT s.name,
    coalesce((SELECT max(e.version) FROM event e WHERE e.stream = s.id), s.swept - 1),
    s.first,
    CASE s.state WHEN 0 THEN 'active' WHEN 1 THEN 'deleted' ELSE 'tombstoned' END,
    strftime('%Y-%m-%dT%H:%M:%S', s.created / 1000000, 'unixepoch') ||
        printf('.%06dZ', s.created % 1000000),
    s.max_age / 1000000.0,
    s.max_count
FROM stream s;
