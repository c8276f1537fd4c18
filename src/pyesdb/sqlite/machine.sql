-- What the machine reads and writes inside the transaction of an entry. Statements that end in a
-- row of question marks are repeated row by row (sqlite.statements.rows).

-- name: meta
SELECT key, value FROM meta ORDER BY key;

-- name: set_meta
INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?);

-- name: last_state
SELECT value FROM state;

-- name: last_event_state
SELECT entry FROM event ORDER BY position DESC LIMIT 1;

-- name: set_state
INSERT OR REPLACE INTO state (one, value, head) VALUES (1, ?, ?);

-- name: add_mark
INSERT INTO mark (seq, chain) VALUES (?, ?);

-- name: dictionary_ids
SELECT coalesce((SELECT max(id) FROM stream), 0), coalesce((SELECT max(id) FROM type), 0),
    coalesce((SELECT max(id) FROM tag), 0);

-- name: streams_by_name
SELECT s.name, s.id, s.state, s.first, s.swept, s.max_age, s.max_count, e.version, e.id, e.position
FROM stream s LEFT JOIN event e ON e.stream = s.id
    AND e.version = (SELECT max(version) FROM event WHERE stream = s.id)
WHERE s.name IN (?);

-- name: types_by_name
SELECT name, id FROM type WHERE name IN (?);

-- name: tags_by_name
SELECT name, id FROM tag WHERE name IN (?);

-- name: add_streams
INSERT INTO stream (id, name, created, touched, state, first, swept) VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: add_types
INSERT INTO type (id, name) VALUES (?, ?);

-- name: add_tags
INSERT INTO tag (id, name) VALUES (?, ?);

-- name: add_events
INSERT INTO event (position, stream, version, type, id, created, time, content_type, data, metadata,
    tags, digest, entry)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: add_event_tags
INSERT INTO event_tag (tag, position) VALUES (?, ?);

-- name: add_event_payloads
INSERT INTO event_payload (path, value, position) VALUES (?, ?, ?);

-- name: records
SELECT id, digest, outcome FROM command WHERE id IN (?);

-- name: add_records
INSERT OR REPLACE INTO command (id, digest, time, outcome) VALUES (?, ?, ?, ?);

-- name: newest_record
SELECT max(id) FROM command;

-- name: next_records
SELECT id, digest, time FROM command WHERE id > ? ORDER BY id, digest LIMIT ?;

-- name: drop_record
DELETE FROM command WHERE id = ? AND digest = ?;

-- name: stored_ids
SELECT version, id, position FROM event WHERE stream = ? AND version BETWEEN ? AND ? ORDER BY version;

-- name: type_after
SELECT position FROM event WHERE type = ? AND position > ? ORDER BY position LIMIT 1;

-- name: event_after
SELECT position FROM event WHERE position > ? ORDER BY position LIMIT 1;

-- name: count_tag
SELECT count(*) FROM (SELECT 1 FROM event_tag WHERE tag = ? AND position > ? LIMIT ?);

-- name: tag_positions
SELECT position FROM event_tag WHERE tag = ? AND position > ? ORDER BY position LIMIT ?;

-- name: has_tag
SELECT 1 FROM event_tag WHERE tag = ? AND position = ?;

-- name: event_kind
SELECT type, stream FROM event WHERE position = ?;

-- name: stream_positions
SELECT version, position, type FROM event
WHERE stream = ? AND version < ? AND position > ? ORDER BY version DESC LIMIT ?;

-- name: tracked
SELECT position FROM tracking WHERE source = ?;

-- name: set_tracked
INSERT OR REPLACE INTO tracking (source, position) VALUES (?, ?);

-- name: set_stream
UPDATE stream SET touched = ?, state = ?, first = ?, swept = ?, max_age = ?, max_count = ?
WHERE id = ?;

-- name: set_stream_custom
UPDATE stream SET custom = ? WHERE id = ?;

-- name: aged_streams
SELECT id, name FROM stream WHERE id > ? AND max_age IS NOT NULL ORDER BY id LIMIT ?;

-- name: all_streams
SELECT id, name FROM stream WHERE id > ? ORDER BY id LIMIT ?;

-- name: event_created
SELECT created, version FROM event WHERE stream = ? AND version >= ? ORDER BY version LIMIT 1;

-- name: streams_to_sweep
SELECT id, name FROM stream WHERE first > swept AND id > ? ORDER BY id LIMIT ?;

-- name: events_to_sweep
SELECT e.version, e.position, e.digest, t.name, e.id, e.time, e.content_type, e.data, e.metadata,
    e.tags, e.created
FROM event e JOIN type t ON t.id = e.type
WHERE e.stream = ? AND e.version >= ? ORDER BY e.version LIMIT ?;

-- name: drop_event
DELETE FROM event WHERE position = ?;

-- name: drop_event_tag
DELETE FROM event_tag WHERE tag = (SELECT id FROM tag WHERE name = ?) AND position = ?;

-- name: drop_event_payload
DELETE FROM event_payload WHERE path = ? AND value = ? AND position = ?;

-- name: drop_payload_path
DELETE FROM event_payload WHERE path = ?;

-- name: events_to_index
SELECT position, data, content_type FROM event WHERE position > ? ORDER BY position LIMIT ?;

-- name: pruned_at
SELECT first, digest FROM pruned WHERE position = ?;

-- name: set_pruned
INSERT OR REPLACE INTO pruned (position, stream, first, last, digest, kept) VALUES (?, ?, ?, ?, ?, ?);

-- name: snapshot
SELECT content_type, data, metadata, created FROM snapshot WHERE stream = ? AND source = ? AND version = ?;

-- name: add_snapshot
INSERT INTO snapshot (source, stream, version, created, content_type, data, metadata)
VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: trim_snapshots
DELETE FROM snapshot WHERE stream = ?1 AND source = ?2 AND version < (
    SELECT version FROM snapshot WHERE stream = ?1 AND source = ?2
    ORDER BY version DESC LIMIT 1 OFFSET ?3);

-- name: drop_snapshot
DELETE FROM snapshot WHERE stream = ? AND source = ? AND version = ? RETURNING version;

-- name: drop_snapshots
DELETE FROM snapshot WHERE stream = ? AND source = ? RETURNING version;

-- name: drop_stream_snapshots
DELETE FROM snapshot WHERE stream = ?;

-- name: subscription
SELECT id, clauses, settings, cursor FROM subscription WHERE name = ?;

-- name: subscription_cursors
SELECT min(cursor) FROM subscription;

-- name: owed_positions
SELECT min(position) FROM delivery;

-- name: add_subscription
INSERT INTO subscription (name, clauses, settings, cursor, created) VALUES (?, ?, ?, ?, ?);

-- name: set_subscription
UPDATE subscription SET clauses = ?, settings = ? WHERE id = ?;

-- name: set_cursor
UPDATE subscription SET cursor = ? WHERE id = ?;

-- name: drop_subscription
DELETE FROM subscription WHERE id = ?;

-- name: drop_deliveries
DELETE FROM delivery WHERE subscription = ?;

-- name: deliveries_in_flight
SELECT count(*) FROM delivery WHERE subscription = ? AND state = 1;

-- name: due_deliveries
SELECT position, stream, attempt, reason FROM delivery
WHERE subscription = ? AND state = 0 AND due <= ? ORDER BY position LIMIT ?;

-- name: deliveries_of_consumer
SELECT position, stream, attempt FROM delivery
WHERE subscription = ? AND state = 1 AND consumer = ? ORDER BY position;

-- name: late_deliveries
SELECT position, stream, attempt FROM delivery
WHERE subscription = ? AND state = 1 AND due <= ? ORDER BY position;

-- name: parked_deliveries
SELECT position, stream FROM delivery WHERE subscription = ? AND state = 2 ORDER BY position;

-- name: delivery
SELECT stream, state, consumer, attempt, reason FROM delivery
WHERE subscription = ? AND position = ?;

-- name: stream_deliveries
SELECT position, state FROM delivery INDEXED BY delivery_by_stream
WHERE subscription = ? AND stream = ? ORDER BY position;

-- name: set_delivery
INSERT OR REPLACE INTO delivery
    (subscription, position, stream, state, consumer, due, attempt, reason)
VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: drop_delivery
DELETE FROM delivery WHERE subscription = ? AND position = ?;

-- name: event_stream
SELECT stream FROM event WHERE position = ?;
