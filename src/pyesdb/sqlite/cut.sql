-- The tail of a history cut off, in a draft that nobody else uses (store.cutting). These statements
-- may walk through whole tables: it happens once per fork.

-- name: cut_tail
SELECT e.position, t.name, e.id, e.time, e.content_type, e.data, e.metadata, e.tags, e.digest,
    e.created, e.stream, e.version
FROM event e JOIN type t ON t.id = e.type WHERE e.position > ? ORDER BY e.position LIMIT ?;

-- name: cut_event_at
SELECT stream, version, digest FROM event WHERE position = ?;

-- name: cut_whole_before
SELECT max(version) FROM event WHERE stream = ? AND version < ? AND digest IS NOT NULL;

-- name: cut_open_append
SELECT e.position, t.name, e.id, e.time, e.content_type, e.data, e.metadata, e.tags, e.digest,
    e.created, e.stream, e.version
FROM event e JOIN type t ON t.id = e.type
WHERE e.stream = ? AND e.version > ? AND e.version <= ? ORDER BY e.version;

-- name: cut_digest
UPDATE event SET digest = ? WHERE position = ?;

-- name: cut_pruned
SELECT position, stream, first, last, digest FROM pruned
WHERE position > ?1 AND position - (last - first) <= ?1;

-- name: cut_partial_sizes
SELECT position, last - first + 1 FROM pruned WHERE position > ? AND kept IS NOT NULL;

-- name: cut_gone_sizes
SELECT last - first + 1, count(*) FROM pruned WHERE position > ? AND kept IS NULL GROUP BY 1;

-- name: cut_events
DELETE FROM event WHERE position > ?;

-- name: cut_event_tags
DELETE FROM event_tag WHERE position > ?;

-- name: cut_event_payloads
DELETE FROM event_payload WHERE position > ?;

-- name: cut_prunings
DELETE FROM pruned WHERE position > ?;

-- name: cut_streams
SELECT s.id, s.name, s.state, s.first, s.swept, s.max_age, s.max_count, s.touched,
    max(coalesce((SELECT max(version) FROM event WHERE stream = s.id), -1),
        coalesce((SELECT max(last) FROM pruned WHERE stream = s.id), -1))
FROM stream s WHERE s.id > ? ORDER BY s.id LIMIT ?;

-- name: cut_stream
DELETE FROM stream WHERE id = ?;

-- name: cut_snapshots
DELETE FROM snapshot WHERE stream = ? AND version > ?;

-- name: cut_types
DELETE FROM type WHERE NOT EXISTS (SELECT 1 FROM event WHERE event.type = type.id);

-- name: cut_tags
DELETE FROM tag WHERE NOT EXISTS (SELECT 1 FROM event_tag WHERE event_tag.tag = tag.id);

-- name: cut_tracking
DELETE FROM tracking;

-- name: cut_cursors
UPDATE subscription SET cursor = ?1 WHERE cursor > ?1;

-- name: cut_deliveries
DELETE FROM delivery WHERE position > ?;

-- name: cut_state
SELECT entry FROM event WHERE entry IS NOT NULL ORDER BY position DESC LIMIT 1;

-- name: cut_last_created
SELECT max(coalesce((SELECT created FROM event ORDER BY position DESC LIMIT 1), 0),
    coalesce((SELECT max(created) FROM stream), 0));

-- name: cut_count
SELECT count(*) FROM event;

-- name: cut_marks
DELETE FROM mark WHERE seq > ?;

-- name: cut_records
DELETE FROM command WHERE time > ?;

-- name: cut_doubtful_records
SELECT id, digest, outcome FROM command WHERE time = ?;

-- name: first_visible
SELECT name, first FROM stream WHERE name IN (?);

-- name: described_streams
SELECT name, max_age, max_count, custom FROM stream
WHERE max_age IS NOT NULL OR max_count IS NOT NULL OR custom IS NOT NULL;

-- name: forget_commands
DELETE FROM command;
