-- What a run found: a database of this process alone, in a file without a name that SQLite keeps in
-- memory as long as it is small. Names and texts are UTF-8 with lone surrogates, so they are blobs.

-- Page ids: those of this run, and those of the originals.
CREATE TABLE names (
    number INTEGER PRIMARY KEY,
    name BLOB NOT NULL
);

-- Pages in the order of the run. An id that comes twice has two rows.
CREATE TABLE pages (
    number INTEGER PRIMARY KEY,
    name INTEGER NOT NULL,      -- names.number
    site BLOB,
    error BLOB,                 -- why it could not be judged; NULL: it was
    blocks INTEGER NOT NULL,
    skipped INTEGER NOT NULL,
    repeats INTEGER NOT NULL,
    characters INTEGER NOT NULL,
    wasted INTEGER NOT NULL,    -- characters in repeats
    texts BLOB NOT NULL,        -- findings.PackedTexts: content
    lengths BLOB NOT NULL,      -- and lengths
    lines BLOB NOT NULL         -- int32 a block, or empty
);
CREATE INDEX pages_by_name ON pages (name, number);

-- Repeats and extensions, in the order in which they were found.
CREATE TABLE members (
    number INTEGER PRIMARY KEY,
    page INTEGER NOT NULL,      -- pages.number
    position INTEGER NOT NULL,
    start INTEGER NOT NULL,
    end INTEGER NOT NULL,
    line INTEGER NOT NULL,
    path BLOB,
    hidden INTEGER NOT NULL,
    kind TEXT NOT NULL,
    similarity REAL NOT NULL,
    containment REAL NOT NULL,
    verified INTEGER NOT NULL,
    scope TEXT NOT NULL,
    characters INTEGER NOT NULL,
    original INTEGER NOT NULL,  -- names.number
    original_position INTEGER NOT NULL,
    seen INTEGER NOT NULL,
    first_seen INTEGER          -- NULL: in this run
);

-- Texts of originals that the index told, since their pages are of an earlier run.
CREATE TABLE told (
    original INTEGER NOT NULL,
    position INTEGER NOT NULL,
    text BLOB NOT NULL,
    PRIMARY KEY (original, position)
) WITHOUT ROWID;
