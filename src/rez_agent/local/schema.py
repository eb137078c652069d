"""The database's schema, as a list of migrations.

``PRAGMA user_version`` counts the migrations that a file has had. A migration, once released, is never
edited: a change is a new one at the end. Opening runs those that are missing, in one transaction each.

Times are whole milliseconds since 1970-01-01T00:00:00Z. Partial indexes keep the ordinary row cheap: a
succeeded execution of an active schedule touches as few of them as possible.
"""

from __future__ import annotations

FIRST = """
CREATE TABLE schedules (
    seq           INTEGER PRIMARY KEY,      -- order of creation
    id            TEXT NOT NULL UNIQUE,
    owner         TEXT NOT NULL,
    name          TEXT NOT NULL,
    status        TEXT NOT NULL,
    expression    TEXT NOT NULL,
    timezone      TEXT NOT NULL,
    target_type   TEXT NOT NULL,
    target        TEXT NOT NULL,
    description   TEXT NOT NULL,
    tags          TEXT NOT NULL,            -- JSON array
    starts        INTEGER,
    ends          INTEGER,
    policies      TEXT NOT NULL,            -- JSON object, only what differs from the defaults
    payload       TEXT,                     -- JSON object; NULL when it stands in blobs
    payload_blob  TEXT,
    created       INTEGER NOT NULL,
    updated       INTEGER NOT NULL,
    revision      INTEGER NOT NULL,
    error         TEXT,
    pause         TEXT,                     -- JSON object
    next_run      INTEGER,                  -- the next occurrence's nominal instant
    wake_at       INTEGER,                  -- when the engine must look: next_run, or the pause's end
    finished      INTEGER,
    deletes       INTEGER NOT NULL          -- 1: deleted once nothing is left (on_completion)
) STRICT;
-- One living name per owner; read by name for lists over all owners.
CREATE UNIQUE INDEX schedules_name ON schedules (name, owner) WHERE status <> 'deleted';
CREATE INDEX schedules_wake ON schedules (wake_at) WHERE wake_at IS NOT NULL;
CREATE INDEX schedules_owner ON schedules (owner, seq);
CREATE INDEX schedules_unusual_status ON schedules (status, seq) WHERE status <> 'active';
CREATE INDEX schedules_unusual_target ON schedules (target_type, seq) WHERE target_type <> 'web_action';
CREATE INDEX schedules_finished ON schedules (seq) WHERE finished IS NOT NULL;
CREATE INDEX schedules_to_delete ON schedules (seq)
    WHERE deletes = 1 AND finished IS NOT NULL AND status = 'active';
CREATE INDEX schedules_tombstones ON schedules (updated) WHERE status = 'deleted';

CREATE TABLE schedule_tags (
    tag  TEXT NOT NULL,
    seq  INTEGER NOT NULL,
    PRIMARY KEY (tag, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE owners (
    owner   TEXT PRIMARY KEY,
    living  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What a schedule was before each change, for executions queued then and for its history.
CREATE TABLE revisions (
    schedule_id  TEXT NOT NULL,
    revision     INTEGER NOT NULL,
    until        INTEGER NOT NULL,          -- when the next revision took its place
    payload      TEXT NOT NULL,
    document     TEXT NOT NULL,             -- JSON: the definition without its payload
    PRIMARY KEY (schedule_id, revision)
) STRICT, WITHOUT ROWID;
CREATE INDEX revisions_until ON revisions (until);

CREATE TABLE executions (
    seq              INTEGER PRIMARY KEY,   -- order of writing
    id               TEXT NOT NULL UNIQUE,  -- {schedule}_{scheduled}...: orders a schedule's history
    schedule_id      TEXT NOT NULL,
    owner            TEXT NOT NULL,
    scheduled        INTEGER NOT NULL,
    status           TEXT NOT NULL,
    cause            TEXT NOT NULL,
    target_type      TEXT NOT NULL,
    target           TEXT NOT NULL,
    revision         INTEGER NOT NULL,
    created          INTEGER NOT NULL,
    due              INTEGER NOT NULL,
    expires          INTEGER NOT NULL,
    late             INTEGER NOT NULL DEFAULT 0,  -- 1: catch-up and backfill yield to what is on time
    held             INTEGER NOT NULL DEFAULT 0,  -- 1: waits behind another execution of its schedule
    visible          INTEGER,               -- queued and not held: when it may be claimed
    lease            INTEGER NOT NULL DEFAULT 0,  -- fencing token: counts the claims
    lease_until      INTEGER,
    attempts         INTEGER NOT NULL DEFAULT 0,
    tries            INTEGER NOT NULL DEFAULT 0,
    crashes          INTEGER NOT NULL DEFAULT 0,
    dead_letter      INTEGER NOT NULL DEFAULT 0,
    cancel_asked     INTEGER NOT NULL DEFAULT 0,
    reason           TEXT,
    detail           TEXT,
    started          INTEGER,
    finished         INTEGER,
    code             TEXT,
    error            TEXT,
    response_status  INTEGER,
    span_last        INTEGER,
    span_count       INTEGER,
    message_id       TEXT,
    payload          TEXT                   -- only where it differs from the schedule's
) STRICT;
CREATE INDEX executions_ready ON executions (late, target, visible)
    WHERE status = 'queued' AND visible IS NOT NULL;
CREATE INDEX executions_in_flight ON executions (schedule_id) WHERE status IN ('queued', 'running');
CREATE INDEX executions_held ON executions (schedule_id, seq) WHERE held = 1;
CREATE INDEX executions_leased ON executions (lease_until) WHERE status = 'running';
CREATE INDEX executions_unusual_end ON executions (status, seq)
    WHERE status IN ('failed', 'cancelled', 'skipped');
CREATE INDEX executions_dead_letter ON executions (seq) WHERE dead_letter = 1;
CREATE INDEX executions_owner ON executions (owner, seq);

CREATE TABLE attempts (
    execution        INTEGER NOT NULL,
    number           INTEGER NOT NULL,
    started          INTEGER NOT NULL,
    finished         INTEGER NOT NULL,
    outcome          TEXT NOT NULL,
    code             TEXT NOT NULL,
    error            TEXT,
    response_status  INTEGER,
    response         TEXT,
    truncated        INTEGER NOT NULL DEFAULT 0,
    name_ms          REAL,
    connect_ms       REAL,
    first_byte_ms    REAL,
    body_ms          REAL,
    PRIMARY KEY (execution, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE messages (
    seq          INTEGER PRIMARY KEY,
    id           TEXT NOT NULL UNIQUE,
    status       TEXT NOT NULL,
    action       TEXT NOT NULL,
    schedule_id  TEXT,
    created_by   TEXT NOT NULL,
    admin        INTEGER NOT NULL,
    created      INTEGER NOT NULL,
    updated      INTEGER NOT NULL,
    request      TEXT NOT NULL,
    problems     TEXT,
    error_kind   TEXT,
    result       TEXT
) STRICT;
CREATE INDEX messages_pending ON messages (seq) WHERE status NOT IN ('completed', 'failed');

CREATE TABLE records (
    kind     TEXT NOT NULL,
    key      TEXT NOT NULL,
    value    TEXT NOT NULL,
    expires  INTEGER,
    PRIMARY KEY (kind, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX records_expiring ON records (expires) WHERE expires IS NOT NULL;

CREATE TABLE blobs (
    reference  TEXT PRIMARY KEY,            -- SHA-256 of the data
    data       BLOB NOT NULL
) STRICT;
CREATE TABLE blob_owners (
    owner      TEXT NOT NULL,
    reference  TEXT NOT NULL,
    PRIMARY KEY (owner, reference)
) STRICT, WITHOUT ROWID;
CREATE INDEX blob_owners_reference ON blob_owners (reference);
"""

EXTRAS = """
-- JSON object: what only some schedules ask for (a condition, a calendar, a template).
ALTER TABLE schedules ADD COLUMN extras TEXT NOT NULL DEFAULT '{}';
"""

CHANGES = """
-- What was changed of schedules, by whom, when and why. A creation is told by the schedule's own row.
CREATE TABLE changes (
    schedule_id  TEXT NOT NULL,
    revision     INTEGER NOT NULL,          -- the one that the change led to
    number       INTEGER NOT NULL,          -- 0; 1 for a change that has no revision of its own
    at           INTEGER NOT NULL,
    action       TEXT NOT NULL,
    author       TEXT,                      -- NULL: the engine by itself
    reason       TEXT NOT NULL,
    message_id   TEXT,
    diff         TEXT NOT NULL,             -- JSON array
    PRIMARY KEY (schedule_id, revision, number)
) STRICT, WITHOUT ROWID;
"""

REPLAYS = """
-- The id of the execution that a replay repeats.
ALTER TABLE executions ADD COLUMN replay_of TEXT;
"""

COUNTS = """
-- How many schedules have each status, kept as they change: no other way tells it of a million at once. What
-- fires touches no status, and so none of this.
CREATE TABLE schedule_counts (
    status  TEXT PRIMARY KEY,
    number  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO schedule_counts SELECT status, count(*) FROM schedules GROUP BY status;
CREATE TRIGGER schedule_counts_added AFTER INSERT ON schedules BEGIN
    INSERT INTO schedule_counts VALUES (NEW.status, 1) ON CONFLICT DO UPDATE SET number = number + 1;
END;
CREATE TRIGGER schedule_counts_moved AFTER UPDATE OF status ON schedules WHEN NEW.status <> OLD.status BEGIN
    UPDATE schedule_counts SET number = number - 1 WHERE status = OLD.status;
    INSERT INTO schedule_counts VALUES (NEW.status, 1) ON CONFLICT DO UPDATE SET number = number + 1;
END;
CREATE TRIGGER schedule_counts_removed AFTER DELETE ON schedules BEGIN
    UPDATE schedule_counts SET number = number - 1 WHERE status = OLD.status;
END;
"""

ALERTS = """
-- What rules may ask about and nobody has looked at yet, in the order in which it became true.
CREATE TABLE alert_facts (
    seq        INTEGER PRIMARY KEY,
    late       INTEGER NOT NULL,            -- 1: it came too late, or never; 0: it has ended
    execution  INTEGER NOT NULL             -- its seq
) STRICT;
CREATE TABLE alerts (
    seq       INTEGER PRIMARY KEY,          -- order of opening
    id        TEXT NOT NULL UNIQUE,
    owner     TEXT NOT NULL,
    rule      TEXT NOT NULL,
    subject   TEXT NOT NULL,
    kind      TEXT,
    opened    INTEGER NOT NULL,
    closed    INTEGER,
    look_at   INTEGER,                      -- when it must be looked at
    send_at   INTEGER,                      -- when a notice of it is to be sent
    document  TEXT NOT NULL                 -- JSON object: all of it
) STRICT;
CREATE INDEX alerts_rule ON alerts (rule, subject, seq);
CREATE INDEX alerts_owner ON alerts (owner, seq);
CREATE INDEX alerts_open ON alerts (seq) WHERE closed IS NULL;
CREATE INDEX alerts_look ON alerts (look_at) WHERE look_at IS NOT NULL;
CREATE INDEX alerts_send ON alerts (send_at) WHERE send_at IS NOT NULL;
CREATE TABLE alert_schedules (
    schedule_id  TEXT NOT NULL,
    alert        INTEGER NOT NULL,
    PRIMARY KEY (schedule_id, alert)
) STRICT, WITHOUT ROWID;
CREATE INDEX alert_schedules_alert ON alert_schedules (alert);
"""

CALENDARS = """
-- Who heeds a calendar: only what asks for something unusual is in it.
CREATE INDEX schedules_calendar
    ON schedules (extras ->> '$.calendar.name', extras ->> '$.calendar.closed', id)
    WHERE extras <> '{}' AND status <> 'deleted';
"""

MIGRATIONS: tuple[str, ...] = (FIRST, EXTRAS, CHANGES, REPLAYS, COUNTS, ALERTS, CALENDARS)
