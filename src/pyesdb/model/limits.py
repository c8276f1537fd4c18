"""Every limit with its reason. Settings may only lower the ones that a setting names."""

EVENT_BYTES_MAX = 1 << 20
"""One event (data, metadata, names), 1 MiB: a page of events stays in memory."""

APPEND_EVENTS_MAX = 10_000
"""One call: the longest time (tens of milliseconds) that one call may keep a store to itself."""

APPEND_BYTES_MAX = 4 << 20
"""One call as encoded, 4 MiB: one message of a replicated log."""

STREAM_NAME_BYTES_MAX = 512
"""Each name is a key of an index."""

TYPE_BYTES_MAX = 255
"""Each type is a key of an index, and a class or a topic fits."""

TAG_BYTES_MAX = 512
"""Each tag is a key of an index."""

CONTENT_TYPE_BYTES_MAX = 255
"""Stored with each event that is not JSON."""

SOURCE_BYTES_MAX = 512
"""Names of sources, of snapshots and of subscriptions: keys of small tables."""

TAGS_MAX = 100
"""Tags of one event: each is an index row."""

CLAUSES_MAX = 1_000
"""Alternatives of one selector after & and | are multiplied out."""

SELECTOR_NAMES_MAX = 10_000
"""Streams, types and tags in one selector: each is a bound parameter."""

CONDITION_SCAN_MAX = 200_000
"""Index rows that one append condition may examine while it holds the store."""

CLAIM_EVENTS_MAX = 1_000
"""Events of one claim: a few milliseconds, and one page of a consumer."""

SUBSCRIPTION_WINDOW_MAX = 10_000
"""In flight over all consumers of a subscription: each claim looks through them."""

SUBSCRIPTION_RETRIES_MAX = 1_000
"""More is a loop without an end that somebody meant to have one."""

ACK_TIMEOUT_MIN_US = 100_000
"""A claim must be stored within a quarter of it, also on a busy disk, or it is returned unseen."""

ACK_TIMEOUT_MAX_US = 86_400_000_000
"""A day: more is a mistake of units, and a lost consumer would hold its events for as long."""

REASON_CHARACTERS_MAX = 2_000
"""Of a nack: more is cut off, as it is kept with each event that is not acknowledged."""

GROUP_COMMANDS_MAX = 1_000
GROUP_EVENTS_MAX = 10_000
GROUP_BYTES_MAX = 4 << 20
"""What one log entry may hold; a single larger command is refused earlier."""

QUEUE_SLOTS_MAX = 10_000
QUEUE_BYTES_MAX = 32 << 20
"""What may wait for one store; beyond it callers wait for room until their deadline."""

TIMEOUT_MAX_S = 120.0
"""Seconds: more is a mistake of units."""

EXPIRES_US = 120_000_000
"""A command is refused when it arrives this much log time after it was made."""

DEDUP_WINDOW_S = 900.0
DEDUP_WINDOW_MIN_S = 600.0
"""A command may still arrive 120 s after it was made; whoever repeats it must find its record."""

POSITION_MAX = 2**62
