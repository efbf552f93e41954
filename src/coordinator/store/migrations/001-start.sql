-- One row: which database this is, and how often a coordinator has started on it.
CREATE TABLE origin (
  only     INTEGER PRIMARY KEY CHECK (only = 1),
  database TEXT    NOT NULL,
  epoch    INTEGER NOT NULL
) STRICT;

-- Leases, in the order they were asked for. Ended ones stay for a while, for people who ask why.
CREATE TABLE lease (
  seq           INTEGER PRIMARY KEY AUTOINCREMENT,
  id            TEXT    NOT NULL UNIQUE,
  name          TEXT    NOT NULL,
  runner        TEXT    NOT NULL,
  trust_domain  TEXT    NOT NULL,
  flavor        TEXT    NOT NULL,
  image         TEXT,
  ttl_ms        INTEGER NOT NULL,
  asked_at_ms   INTEGER NOT NULL,
  attempts      INTEGER NOT NULL,
  state         TEXT    NOT NULL CHECK (state IN ('waiting', 'granted', 'ended')),
  machine       TEXT,
  host          TEXT,
  granted_at_ms INTEGER,
  ending        TEXT    CHECK (ending IN ('released', 'expired', 'failed', 'lost')),
  ended_at_ms   INTEGER,
  failure       TEXT,
  timeline      TEXT,
  console_tail  TEXT,
  CHECK (state <> 'granted' OR (machine IS NOT NULL AND host IS NOT NULL)),
  CHECK ((state = 'ended') = (ending IS NOT NULL))
) STRICT;

-- A name is unique among its owner's live leases, a machine serves one lease at a time.
CREATE UNIQUE INDEX lease_name ON lease (runner, name) WHERE state <> 'ended';
CREATE UNIQUE INDEX lease_machine ON lease (machine) WHERE state = 'granted';
CREATE INDEX lease_ended ON lease (runner, name, seq) WHERE state = 'ended';

-- Machines that have been granted, ever; a row leaves when its host reports the machine gone.
-- A machine found after a restart is never granted again while it stands here.
CREATE TABLE served (
  machine TEXT PRIMARY KEY,
  host    TEXT NOT NULL,
  spec    TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Runners. Only the SHA-256 of a token is kept.
CREATE TABLE token (
  runner        TEXT    PRIMARY KEY,
  hash          BLOB    NOT NULL UNIQUE CHECK (length(hash) = 32),
  trust_domain  TEXT    NOT NULL,
  flavors       TEXT    NOT NULL,
  images        TEXT    NOT NULL,
  leases_max    INTEGER NOT NULL,
  created_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
