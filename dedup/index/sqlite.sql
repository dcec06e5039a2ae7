-- The tables of an index in a SQLite file. docs/sqlite.md tells how to read them.
-- A row of `log` is a change to one namespace, as dedup/index/changes.py has them; in order of `batch` they
-- make the index. Rows of one operation are written in one transaction, together with the head.
CREATE TABLE namespaces (
    id       INTEGER PRIMARY KEY,
    name     TEXT NOT NULL UNIQUE,
    header   TEXT NOT NULL,              -- JSON: the settings that it was made with, and the scheme of its keys
    batches  INTEGER NOT NULL DEFAULT 0, -- rows in `log`
    checksum BLOB NOT NULL               -- that of the last of them; of name and header where there is none
) STRICT;
CREATE TABLE log (
    batch     INTEGER PRIMARY KEY,
    namespace INTEGER NOT NULL,
    kind      TEXT NOT NULL,    -- check, forget, sweep, renumber; pages, originals: a compacted index
    now       INTEGER NOT NULL, -- seconds since 1970, by the clock of the operation
    checksum  BLOB NOT NULL,    -- XXH3-64 of the checksum before it and of what follows
    pages     TEXT NOT NULL,    -- JSON: page ids
    data      BLOB NOT NULL     -- columns
) STRICT;
