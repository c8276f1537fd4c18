-- What readers ask. Pages of events are read by position, or by version in a stream.

-- name: head
SELECT max(coalesce((SELECT max(position) FROM event), 0),
    coalesce((SELECT head FROM state), 0));

-- name: any_tracked
SELECT EXISTS (SELECT 1 FROM tracking);

-- name: stream_names
SELECT id, name FROM stream WHERE id IN (?);

-- name: type_names
SELECT id, name FROM type;

-- name: stream_at
SELECT s.id, s.state, s.first, s.swept, e.version, e.position,
    max(coalesce((SELECT max(position) FROM event), 0), coalesce((SELECT head FROM state), 0))
FROM stream s LEFT JOIN event e ON e.stream = s.id
    AND e.version = (SELECT max(version) FROM event WHERE stream = s.id)
WHERE s.name = ?;

-- name: stream_from
SELECT e.position, (SELECT max(coalesce((SELECT max(position) FROM event), 0),
        coalesce((SELECT head FROM state), 0))),
    e.version, e.type, e.id, e.created, e.time, e.content_type, e.data, e.metadata, e.tags
FROM stream s CROSS JOIN event e
WHERE s.name = ? AND s.state = 0 AND e.stream = s.id AND e.version >= max(s.first, ?)
ORDER BY e.version LIMIT ?;

-- name: stream_to
SELECT e.position, (SELECT max(coalesce((SELECT max(position) FROM event), 0),
        coalesce((SELECT head FROM state), 0))),
    e.version, e.type, e.id, e.created, e.time, e.content_type, e.data, e.metadata, e.tags
FROM stream s CROSS JOIN event e
WHERE s.name = ? AND s.state = 0 AND e.stream = s.id AND e.version >= max(s.first, ?)
ORDER BY e.version DESC LIMIT ?;

-- name: stream_forwards
SELECT position, stream, version, type, id, created, time, content_type, data, metadata, tags
FROM event WHERE stream = ? AND version BETWEEN ? AND ? AND position <= ?
ORDER BY version LIMIT ?;

-- name: stream_backwards
SELECT position, stream, version, type, id, created, time, content_type, data, metadata, tags
FROM event WHERE stream = ? AND version BETWEEN ? AND ? AND position <= ?
ORDER BY version DESC LIMIT ?;

-- name: all_forwards
SELECT position, stream, version, type, id, created, time, content_type, data, metadata, tags
FROM event WHERE position > ? AND position < ? ORDER BY position LIMIT ?;

-- name: all_backwards
SELECT position, stream, version, type, id, created, time, content_type, data, metadata, tags
FROM event WHERE position > ? AND position < ? ORDER BY position DESC LIMIT ?;

-- name: events_at
SELECT position, stream, version, type, id, created, time, content_type, data, metadata, tags
FROM event WHERE position IN (?);

-- name: created_at
SELECT position, created FROM event WHERE position <= ? ORDER BY position DESC LIMIT 1;

-- name: last_version
SELECT max(version) FROM event WHERE stream = ?;

-- name: version_behind
SELECT version, position FROM event WHERE stream = ? AND version >= ? ORDER BY version LIMIT 1;

-- name: streams_listed
SELECT name FROM stream WHERE name > ? AND name >= ? AND name < ? AND state = 0 ORDER BY name LIMIT ?;

-- name: stream_info
SELECT s.id, s.state, s.first, s.swept, s.created, s.touched, s.max_age, s.max_count, s.custom,
    e.version, e.created
FROM stream s LEFT JOIN event e ON e.stream = s.id
    AND e.version = (SELECT max(version) FROM event WHERE stream = s.id)
WHERE s.name = ?;

-- name: visible_from
SELECT first FROM stream WHERE name = ?;

-- name: last_touched
SELECT coalesce(max(touched), 0) FROM stream;

-- name: streams_matching
SELECT id FROM stream WHERE name >= ? AND name < ? ORDER BY name LIMIT ?;

-- name: system_streams
SELECT id FROM stream WHERE name >= '$' AND name < '%' AND name <> '$events' ORDER BY name;

-- name: name_ids
SELECT 0, id, name FROM stream WHERE name IN (SELECT value FROM json_each(?1))
UNION ALL SELECT 1, id, name FROM type WHERE name IN (SELECT value FROM json_each(?2))
UNION ALL SELECT 2, id, name FROM tag WHERE name IN (SELECT value FROM json_each(?3));

-- name: outcome
SELECT outcome FROM command WHERE id = ? ORDER BY digest;

-- name: snapshot_at
SELECT source, stream, version, data, metadata, created FROM snapshot
WHERE stream = ?1 AND source = ?2 AND version = ?3;

-- name: newest_snapshot
SELECT source, stream, version, data, metadata, created FROM snapshot
WHERE stream = ?1 AND source = ?2 AND version <= ?3 ORDER BY version DESC LIMIT 1;

-- name: all_snapshots
SELECT source, stream, version, data, metadata, created FROM snapshot
WHERE (?1 IS NULL OR stream = ?1) AND (?2 IS NULL OR source = ?2)
ORDER BY stream, source, version;

-- name: pick_tag
SELECT d.position FROM event_tag d WHERE d.tag = ? AND d.position > ? AND d.position < ?

-- name: pick_payload
SELECT d.position FROM event_payload d
WHERE d.path = ? AND d.value = ? AND d.position > ? AND d.position < ?

-- name: pick_type
SELECT d.position FROM event d WHERE d.type = ? AND d.position > ? AND d.position < ?

-- name: pick_stream
SELECT d.position FROM event d
WHERE d.stream = ? AND d.version >= ? AND d.version <= ? AND d.position > ? AND d.position < ?

-- name: pick_any
SELECT d.position FROM event d WHERE d.position > ? AND d.position < ?

-- name: and_tag
AND EXISTS (SELECT 1 FROM event_tag x WHERE x.tag = ? AND x.position = d.position)

-- name: and_payload
AND EXISTS (SELECT 1 FROM event_payload x WHERE x.path = ? AND x.value = ? AND x.position = d.position)

-- name: and_type
AND (SELECT e.type FROM event e WHERE e.position = d.position) IN (?)

-- name: and_stream
AND (SELECT e.stream FROM event e WHERE e.position = d.position) IN (?)

-- name: and_stream_prefix
AND (SELECT e.stream FROM event e WHERE e.position = d.position) IN
    (SELECT id FROM stream WHERE name >= ? AND name < ?)

-- name: hidden_events
SELECT coalesce(sum(first - swept), 0) FROM stream WHERE first > swept;

-- name: has_retention
SELECT EXISTS (SELECT 1 FROM stream WHERE max_age IS NOT NULL);

-- name: next_times
SELECT (SELECT min(due) FROM delivery WHERE subscription = ?1 AND state = 0 AND due > ?2),
    (SELECT min(due) FROM delivery WHERE subscription = ?1 AND state = 1);

-- name: subscription_names
SELECT name FROM subscription ORDER BY name;

-- name: subscription_holders
SELECT count(*), count(DISTINCT consumer), min(due) FROM delivery
WHERE subscription = ? AND state = 1;

-- name: subscription_parked
SELECT count(*) FROM delivery INDEXED BY delivery_parked WHERE subscription = ? AND state = 2;

-- name: parked_events
SELECT d.attempt, d.reason, d.due, e.position, e.stream, e.version, e.type, e.id, e.created,
    e.time, e.content_type, e.data, e.metadata, e.tags
FROM delivery d INDEXED BY delivery_parked JOIN event e ON e.position = d.position
WHERE d.subscription = ? AND d.state = 2 AND d.position > ? ORDER BY d.position LIMIT ?;
