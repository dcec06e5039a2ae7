-- The groups of all members so far, those first whose repeats hold the most text.
CREATE INDEX IF NOT EXISTS members_by_original ON members (original, original_position);
CREATE INDEX IF NOT EXISTS members_by_page ON members (page);
DROP TABLE IF EXISTS groups;
CREATE TABLE groups (
    rank INTEGER PRIMARY KEY,   -- in this order they lie, and are asked for
    number INTEGER NOT NULL,
    original INTEGER NOT NULL,
    position INTEGER NOT NULL,
    first_member INTEGER NOT NULL,
    first_page INTEGER NOT NULL,
    pages INTEGER NOT NULL,
    wasted INTEGER NOT NULL,
    exact INTEGER NOT NULL,
    near INTEGER NOT NULL,
    excerpt INTEGER NOT NULL,
    first_seen INTEGER,
    seen INTEGER NOT NULL,
    quoted INTEGER,
    text BLOB
);
INSERT INTO groups
SELECT
    row_number() OVER (ORDER BY wasted DESC, first_member) - 1 AS rank,
    row_number() OVER (ORDER BY first_member) - 1 AS number,
    *,
    -- The page on which the original was met last, before its first repeat came.
    (
        SELECT max(pages.number) FROM pages
        WHERE pages.name = original AND pages.number <= first_page
    ) AS quoted,
    NULL AS text
FROM (
    SELECT
        original,
        original_position AS position,
        min(number) AS first_member,
        min(page) AS first_page,
        count(DISTINCT page) AS pages,
        sum(characters) AS wasted,
        sum(kind = 'exact') AS exact,
        sum(kind = 'near') AS near,
        sum(kind = 'excerpt') AS excerpt,
        min(first_seen) AS first_seen,
        max(seen) AS seen
    FROM members
    WHERE kind <> 'extension'
    GROUP BY original, original_position
)
ORDER BY rank;
CREATE UNIQUE INDEX groups_by_number ON groups (number);
CREATE INDEX groups_by_place ON groups (quoted, position);
CREATE INDEX groups_by_original ON groups (original, position);
