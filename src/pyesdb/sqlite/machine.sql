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
SELECT t.name, t.id, (SELECT max(position) FROM event_tag WHERE tag = t.id) FROM tag t
WHERE t.name IN (?);

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

-- name: places_to_sweep
SELECT version, position, digest FROM event
WHERE stream = ? AND version >= ? ORDER BY version LIMIT ?;

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

-- name: subscription_at
SELECT id, clauses, settings, cursor FROM subscription WHERE id = ?;

-- name: last_subscription
SELECT coalesce(max(id), 0) FROM subscription;

-- name: subscription_cursors
SELECT min(cursor) FROM subscription;

-- name: owed_positions
SELECT min((SELECT min(d.position) FROM delivery d WHERE d.subscription = s.id)) FROM subscription s;

-- name: add_subscription
INSERT INTO subscription (id, name, clauses, settings, cursor, created) VALUES (?, ?, ?, ?, ?, ?);

-- name: index_deliveries
CREATE INDEX IF NOT EXISTS delivery_in_flight ON delivery
    (subscription, due, position, stream, consumer, attempt) WHERE state = 1;
CREATE INDEX IF NOT EXISTS delivery_due ON delivery (subscription, due, position) WHERE state = 0;
CREATE INDEX IF NOT EXISTS delivery_parked ON delivery (subscription, position) WHERE state = 2;
CREATE INDEX IF NOT EXISTS delivery_behind ON delivery (subscription, stream, state, position)
    WHERE state <> 1;
DROP INDEX IF EXISTS delivery_by_stream;

-- name: set_subscription
UPDATE subscription SET settings = ? WHERE id = ?;

-- name: set_cursor
UPDATE subscription SET cursor = ? WHERE id = ?;

-- name: drop_subscription
DELETE FROM subscription WHERE id = ?;

-- name: drop_deliveries
DELETE FROM delivery WHERE subscription = ?;

-- name: shift_leases
UPDATE delivery SET due = due + ? WHERE subscription = ? AND state = 1;

-- name: requeue_all
UPDATE delivery SET state = ? WHERE subscription = ? AND state = ?;

-- name: queued_streams
SELECT DISTINCT stream FROM delivery WHERE subscription = ? AND state IN (0, 3) ORDER BY stream;

-- name: deliveries_in_flight
SELECT position, stream, consumer, attempt FROM delivery WHERE subscription = ? AND state = 1;

-- name: due_deliveries
SELECT position, stream, attempt, reason, consumer FROM delivery
WHERE subscription = ? AND state = 0 AND due <= ? ORDER BY due, position LIMIT ?;

-- name: late_deliveries
SELECT position, stream, consumer, attempt FROM delivery
WHERE subscription = ? AND state = 1 AND due <= ? ORDER BY due, position;

-- name: parked_deliveries
SELECT position, stream FROM delivery INDEXED BY delivery_parked
WHERE subscription = ? AND state = 2 AND position > ? ORDER BY position LIMIT ?;

-- name: parked_at
SELECT position, stream FROM delivery WHERE subscription = ? AND +state = 2 AND position IN (?);

-- name: stream_queue
SELECT (SELECT min(position) FROM delivery
        WHERE subscription = ?1 AND stream = ?2 AND state <> 1 AND state = 0),
    (SELECT min(position) FROM delivery
        WHERE subscription = ?1 AND stream = ?2 AND state <> 1 AND state = 2),
    (SELECT min(position) FROM delivery
        WHERE subscription = ?1 AND stream = ?2 AND state <> 1 AND state = 3);

-- name: waiting_run
SELECT position, stream, attempt, reason, consumer, due FROM delivery INDEXED BY delivery_behind
WHERE subscription = ? AND stream = ? AND state <> 1 AND state = 3 ORDER BY position LIMIT ?;

-- name: streams_queued
SELECT id FROM stream WHERE EXISTS (SELECT 1 FROM delivery d WHERE d.subscription = ?
    AND d.stream = stream.id AND d.state <> 1 AND d.state IN (0, 3)) AND id IN (?);

-- name: streams_behind
SELECT id FROM stream WHERE EXISTS (SELECT 1 FROM delivery d WHERE d.subscription = ?
    AND d.stream = stream.id AND d.state <> 1) AND id IN (?);

-- name: event_streams
SELECT position, stream FROM event WHERE position IN (?);

-- name: add_deliveries
INSERT INTO delivery (subscription, position, stream, state, consumer, due, attempt, reason)
VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: give_again
UPDATE delivery SET state = 1, consumer = ?, due = ?, attempt = attempt + 1
WHERE subscription = ? AND position IN (?);

-- name: give_back
UPDATE delivery SET state = ?, consumer = x'', due = 0, attempt = attempt - 1
WHERE subscription = ? AND position IN (?);

-- name: give_up_lost
UPDATE delivery SET state = ?, due = 0, reason = ? WHERE subscription = ? AND position IN (?);

-- name: set_delivery
UPDATE delivery SET state = ?, consumer = x'', due = ?, reason = ?
WHERE subscription = ? AND position = ?;

-- name: set_delivery_state
UPDATE delivery SET state = ? WHERE subscription = ? AND position = ?;

-- name: replay_deliveries
UPDATE delivery SET state = ?, due = 0, attempt = 0 WHERE subscription = ? AND position IN (?);

-- name: drop_acked
DELETE FROM delivery WHERE subscription = ? AND consumer = ? AND +state = 1 AND position IN (?)
RETURNING position;

-- name: drop_owed
DELETE FROM delivery WHERE subscription = ? AND position IN (?);
