-- What `verify` asks, a page at a time. Each statement sees one moment of the file; bounds come from
-- the first question, so what is appended meanwhile is not looked at.

-- name: verify_events
SELECT e.position, e.stream, e.version, t.name, e.id, e.created, e.time, e.content_type, e.data,
    e.metadata, e.tags, e.digest, e.entry
FROM event e LEFT JOIN type t ON t.id = e.type
WHERE e.position > ? AND e.position <= ? ORDER BY e.position;

-- name: verify_streams_of
SELECT e.position, e.stream, e.version, s.name, s.swept, p.position
FROM event e LEFT JOIN stream s ON s.id = e.stream
    LEFT JOIN event p INDEXED BY event_by_stream ON p.stream = e.stream AND p.version = e.version - 1
WHERE e.position > ? AND e.position <= ? AND (s.id IS NULL OR e.version < s.swept
    OR (p.position IS NULL AND e.version <> s.swept) OR p.position > e.position)
LIMIT 1000;

-- name: verify_not_by_stream
SELECT e.position FROM event e WHERE e.position > ? AND e.position <= ? AND NOT EXISTS (
    SELECT 1 FROM event i INDEXED BY event_by_stream
    WHERE i.stream = e.stream AND i.version = e.version AND i.position = e.position)
LIMIT 1000;

-- name: verify_not_by_type
SELECT e.position FROM event e WHERE e.position > ? AND e.position <= ? AND NOT EXISTS (
    SELECT 1 FROM event i INDEXED BY event_by_type
    WHERE i.type = e.type AND i.position = e.position)
LIMIT 1000;

-- name: verify_not_by_tag
SELECT e.position, j.value FROM event e, json_each(
        iif(json_valid(CAST(e.tags AS TEXT)), CAST(e.tags AS TEXT), '[]')) j
    LEFT JOIN tag t ON t.name = j.value
    LEFT JOIN event_tag x ON x.tag = t.id AND x.position = e.position
WHERE e.position > ? AND e.position <= ? AND e.tags <> x'' AND x.tag IS NULL
LIMIT 1000;

-- name: verify_payload_row
SELECT path, value, position FROM event_payload WHERE path = ? AND value = ? AND position = ?;

-- name: verify_pruned_of
SELECT position, first, last, digest, kept FROM pruned
WHERE position > ? AND position <= ? AND kept IS NOT NULL;

-- name: verify_gone
SELECT coalesce(sum(last - first + 1), 0) FROM pruned
WHERE position > ? AND position < ? AND kept IS NULL;

-- name: verify_gone_sizes
SELECT last - first + 1, count(*) FROM pruned WHERE kept IS NULL AND position <= ? GROUP BY 1;

-- name: verify_pruned
SELECT p.position, p.stream, p.first, p.last, p.kept IS NULL, s.name, s.swept,
    (SELECT e.version FROM event e WHERE e.position = p.position AND e.stream = p.stream),
    (SELECT count(*) FROM event e
        WHERE e.position > p.position - (p.last - p.first) - 1 AND e.position <= p.position)
FROM pruned p LEFT JOIN stream s ON s.id = p.stream
WHERE p.position > ? AND p.position <= ? ORDER BY p.position LIMIT ?;

-- name: verify_by_stream
SELECT i.stream, i.version, i.position, e.position
FROM event i INDEXED BY event_by_stream LEFT JOIN event e NOT INDEXED
    ON e.position = i.position AND e.stream = i.stream AND e.version = i.version
WHERE (i.stream, i.version) > (?, ?) AND i.position <= ?
ORDER BY i.stream, i.version LIMIT ?;

-- name: verify_by_type
SELECT i.type, i.position, e.position
FROM event i INDEXED BY event_by_type LEFT JOIN event e NOT INDEXED
    ON e.position = i.position AND e.type = i.type
WHERE (i.type, i.position) > (?, ?) AND i.position <= ?
ORDER BY i.type, i.position LIMIT ?;

-- name: verify_by_tag
SELECT x.tag, x.position, EXISTS (
    SELECT 1 FROM event e, json_each(
        iif(json_valid(CAST(e.tags AS TEXT)), CAST(e.tags AS TEXT), '[]')) j
    WHERE e.position = x.position AND e.tags <> x'' AND j.value = t.name)
FROM event_tag x LEFT JOIN tag t ON t.id = x.tag
WHERE (x.tag, x.position) > (?, ?) AND x.position <= ?
ORDER BY x.tag, x.position LIMIT ?;

-- name: verify_by_payload
SELECT x.path, x.value, x.position, e.content_type, e.data
FROM event_payload x LEFT JOIN event e ON e.position = x.position
WHERE (x.path, x.value, x.position) > (?, ?, ?) AND x.position <= ?
ORDER BY x.path, x.value, x.position;

-- name: verify_streams
SELECT s.id, s.name, s.created, s.touched, s.state, s.first, s.swept,
    (SELECT max(e.version) FROM event e WHERE e.stream = s.id)
FROM stream s WHERE s.id > ? AND s.id <= ? ORDER BY s.id LIMIT ?;

-- name: verify_marks
SELECT seq, chain FROM mark WHERE seq > ? ORDER BY seq LIMIT ?;

-- name: verify_snapshots
SELECT n.rowid, n.source, n.stream, n.version, n.metadata, s.state,
    coalesce((SELECT max(e.version) FROM event e WHERE e.stream = s.id), s.swept - 1)
FROM snapshot n LEFT JOIN stream s ON s.name = n.stream
WHERE n.rowid > ? ORDER BY n.rowid LIMIT ?;

-- name: verify_subscriptions
SELECT id, name, clauses, settings FROM subscription WHERE id > ? ORDER BY id LIMIT ?;

-- name: verify_deliveries
SELECT d.subscription, d.position FROM delivery d LEFT JOIN subscription s ON s.id = d.subscription
    LEFT JOIN event e ON e.position = d.position
WHERE (d.subscription, d.position) > (?, ?)
    AND (s.id IS NULL OR e.position IS NULL OR e.stream <> d.stream)
ORDER BY d.subscription, d.position LIMIT ?;

-- name: verify_commands
SELECT id, digest, time, outcome FROM command WHERE (id, digest) > (?, ?) ORDER BY id, digest LIMIT ?;

-- name: state_row
SELECT value, head FROM state;

-- name: row_counts
SELECT (SELECT count(*) FROM snapshot), (SELECT count(*) FROM subscription);
