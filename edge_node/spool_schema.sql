-- A page is rewritten whole for every tick, so small pages wear the card less.
PRAGMA page_size = 1024;
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA journal_mode = WAL;

CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS name (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS hole (first INTEGER PRIMARY KEY, last INTEGER NOT NULL);

-- series, quality and batch are rows of `name`; quality 0 is "ok".
CREATE TABLE IF NOT EXISTS sample (
  seq INTEGER PRIMARY KEY,
  t INTEGER NOT NULL,
  series INTEGER NOT NULL,
  value REAL,
  quality INTEGER NOT NULL,
  batch INTEGER
);
-- By time first: all series of a tick fall into the same page of the index.
CREATE UNIQUE INDEX IF NOT EXISTS sample_time ON sample (t, series);

-- Taken while the clock was unknown; boot is a row of `name`.
CREATE TABLE IF NOT EXISTS pending (
  id INTEGER PRIMARY KEY,
  boot INTEGER NOT NULL,
  mono INTEGER NOT NULL,
  periodic INTEGER NOT NULL,
  series INTEGER NOT NULL,
  value REAL,
  quality INTEGER NOT NULL,
  batch INTEGER
);
