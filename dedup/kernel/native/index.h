/* The index in memory: a posting table from keys to originals, and an arena of originals.
 *
 * Posting table: open addressing with linear probing in two arrays, tags and ids. A tag is the low
 * 32 bits of a key (0 marks a free slot, so 0 becomes 1); its home is tag * slots / 2^32, which keeps
 * the table in tag order but for collisions: growing is one pass from front to back. The caller keeps
 * free slots. A key holds POSTINGS_PER_KEY ids at most, first come first kept. The exact fingerprint
 * is one more key. A block has MAX_KEYS keys at most, whatever they are made of.
 *
 * Arena: records of 8-byte units, back to back; an original's id is the unit where its record starts, so ids
 * ascend in order of arrival. Unit 0 is never used: id 0 is "none". What verifies an original follows:
 * its trace, or (VALUES_FLAG) its MinHash values, where nothing else is known of it; it has no
 * fingerprint then.
 *
 * A page's entries are the ids of its judged blocks in order: originals that it owns, and
 * (REPEAT_ENTRY) originals that its blocks repeat. They undo a page exactly.
 */
#ifndef DEDUP_INDEX_H
#define DEDUP_INDEX_H

#include "judge.h"
#include "sketch.h"

enum { POSTINGS_PER_KEY = 4, MAX_KEYS = 128, MAX_CANDIDATES = MAX_KEYS * POSTINGS_PER_KEY };
#define NOBODY 0xFFFFFFFFu
#define REPEAT_ENTRY 0x80000000u
#define VALUES_FLAG 0x80000000u

/* Columns of the state array. */
enum { USED_UNITS = 0, DEAD_UNITS = 1, POSTINGS = 2, ORIGINALS = 3, REPEATS = 4, STATE_SIZE = 5 };

typedef struct {
    u64 fingerprint; /* low half of the 128 bits; 32 more are the tag of its posting */
    u32 page;        /* owner; NOBODY: released */
    u32 position;
    u32 first_seen, last_seen; /* seconds since 1970 */
    u32 seen;                  /* repeats */
    u32 pages;                 /* distinct pages, the owner's included */
    u32 mark;   /* the last page that counted itself in `pages`; for the owner: recognised again */
    u32 tokens; /* length of the trace that follows; with VALUES_FLAG twice the number of values */
} record;

enum { RECORD_UNITS = sizeof(record) / 8 };

typedef struct {
    u32 *tags, *ids;
    u64 slots;
    u64 *arena;
    u64 units;
    i64 *state;
} block_index;

INLINE record *record_at(const block_index *x, u32 id) { return (record *)(x->arena + id); }

INLINE const u16 *record_trace(const record *r) { return (const u16 *)(r + 1); }

INLINE u64 units_for(u64 tokens) { return RECORD_UNITS + (tokens * 2 + 7) / 8; }

INLINE u64 record_units(const record *r) { return units_for(r->tokens & ~VALUES_FLAG); }

INLINE u32 key_tag(u64 key) { return (u32)key ? (u32)key : 1; }

INLINE u64 home_slot(const block_index *x, u32 tag) { return (u64)tag * x->slots >> 32; }

INLINE u64 next_slot(const block_index *x, u64 at) { return at + 1 == x->slots ? 0 : at + 1; }

/* Walks the postings with this tag: `at` is the slot, `id` the original. */
#define FOR_EACH_POSTING(x, tag, at)                                                               \
    for (u64 at = home_slot(x, tag); (x)->tags[at]; at = next_slot(x, at))                         \
        if ((x)->tags[at] == (tag))

/* Neither released nor, where originals expire, last seen earlier than `before`. */
INLINE int is_alive(const record *r, u32 before) { return r->page != NOBODY && r->last_seen >= before; }

/* Adds a posting unless the key is full; a posting of an original that is not alive gives up its slot. */
INLINE void add_posting(block_index *x, u32 tag, u32 id, u32 before) {
    u64 at = home_slot(x, tag), reusable = x->slots;
    int held = 0;
    for (; x->tags[at]; at = next_slot(x, at)) {
        if (x->tags[at] != tag) continue;
        if (reusable == x->slots && !is_alive(record_at(x, x->ids[at]), before)) {
            reusable = at;
        } else if (++held == POSTINGS_PER_KEY) {
            return;
        }
    }
    if (reusable == x->slots) {
        x->tags[at] = tag;
        x->state[POSTINGS]++;
        reusable = at;
    }
    x->ids[reusable] = id;
}

/* ---- checking a page ------------------------------------------------------------------------- */

typedef struct {
    u64 fingerprint_low, fingerprint_high;
    const u16 *trace;
    size_t tokens;
    const u64 *keys;
    size_t key_count;
    const u32 *values; /* MinHash values, to compare with originals that have no trace */
    size_t value_count;
    u32 position;
} block_view;

typedef struct {
    u32 page, now;
    u32 before; /* originals last seen earlier have expired; 0: none do */
    int lookup; /* the page's own originals are invisible, and nothing is counted */
    u32 held; /* the original that the block at this place repeated when the page was checked before; or 0 */
} page_check;

typedef struct {
    verdict verdict;
    record *original;
    u32 id;
    int held;       /* what the block repeated before */
    int candidates; /* originals that were compared with the block */
} finding;

/* During a check of its page, an original is visible from the moment that its block was met. */
INLINE int is_visible(const record *r, const page_check *check) {
    if (!is_alive(r, check->before)) return 0;
    return r->page != check->page || (!check->lookup && r->mark == check->page);
}

/* The original with the block's normalised text, one that awaits recognition included. */
INLINE u32 find_exact(const block_index *x, const block_view *block, const page_check *check) {
    u32 tag = key_tag(block->fingerprint_high);
    FOR_EACH_POSTING(x, tag, at) {
        const record *r = record_at(x, x->ids[at]);
        if (r->fingerprint == block->fingerprint_low && !(r->tokens & VALUES_FLAG) &&
            (check->lookup ? is_visible(r, check) : is_alive(r, check->before)))
            return x->ids[at];
    }
    return 0;
}

/* The distinct originals under any of the block's keys, ascending; returns how many. */
INLINE int find_candidates(const block_index *x, const block_view *block, u32 *ids) {
    int count = 0;
    for (size_t k = 0; k < block->key_count; k++) {
        u32 tag = key_tag(block->keys[k]);
        FOR_EACH_POSTING(x, tag, at) {
            u32 id = x->ids[at];
            int place = count;
            while (place > 0 && ids[place - 1] > id) place--;
            if (place > 0 && ids[place - 1] == id) continue;
            for (int i = count; i > place; i--) ids[i] = ids[i - 1];
            ids[place] = id;
            count++;
        }
    }
    return count;
}

/* Improves `best` by the originals of one index. A block of a page that is checked again repeats what it
 * repeated, even where something more similar has come since. Returns 0 where memory ran out. */
INLINE int find_best(const block_index *x, const block_view *block, const page_check *check,
                     const verdict_rule *rule, judge_scratch *judge, finding *best) {
    u32 ids[MAX_CANDIDATES];
    int count = find_candidates(x, block, ids);
    for (int i = 1; i < count; i++) PREFETCH(record_at(x, ids[i]));
    for (int i = 0; i < count; i++) {
        record *r = record_at(x, ids[i]);
        if (!is_visible(r, check)) continue;
        best->candidates++;
        int held = check->held == ids[i];
        if (best->held && !held) continue;
        double floor = best->verdict.kind == NEAR && best->held == held ? best->verdict.similarity : -1;
        verdict v = {NEW, 0, 0};
        if (!(r->tokens & VALUES_FLAG))
            v = judge_candidate(judge, rule, record_trace(r), r->tokens, floor);
        else if ((r->tokens & ~VALUES_FLAG) == 2 * block->value_count)
            v = estimate_candidate(rule, block->values, (const u32 *)(r + 1), block->value_count);
        if (v.kind < 0) return 0;
        held = held && v.kind != NEW && v.kind != EXTENSION;
        if (held > best->held || (held == best->held && better_verdict(v, best->verdict))) {
            finding better = {v, r, ids[i], held, best->candidates};
            *best = better;
        }
    }
    return 1;
}

/* Adds a record with what verifies it: `tokens` is its field, `body` the trace or the values. Returns its id;
 * the caller made room, and adds its postings. */
INLINE u32 add_record(block_index *x, u64 fingerprint, u32 tokens, const void *body, u32 position,
                      const page_check *check) {
    u32 id = (u32)x->state[USED_UNITS];
    record *r = record_at(x, id);
    record fresh = {fingerprint, check->page, position, check->now, check->now, 0, 1, check->page, tokens};
    u64 units = record_units(&fresh);
    x->arena[id + units - 1] = 0;
    *r = fresh;
    memcpy(r + 1, body, (size_t)(tokens & ~VALUES_FLAG) * 2);
    x->state[USED_UNITS] += (i64)units;
    x->state[ORIGINALS]++;
    return id;
}

/* Adds an original with its trace, or, where it has none, its values; the caller made room. Returns
 * its id. */
INLINE u32 add_original(block_index *x, const block_view *block, const page_check *check) {
    u32 tokens = block->trace ? (u32)block->tokens : (u32)(2 * block->value_count) | VALUES_FLAG;
    const void *body = block->trace ? (const void *)block->trace : block->values;
    u32 id = add_record(x, block->fingerprint_low, tokens, body, block->position, check);
    if (block->trace) add_posting(x, key_tag(block->fingerprint_high), id, check->before);
    for (size_t k = 0; k < block->key_count; k++) add_posting(x, key_tag(block->keys[k]), id, check->before);
    return id;
}

/* A page's own original is met again. */
INLINE void recognise(record *r, const page_check *check, u32 position) {
    r->mark = check->page;
    r->position = position;
    r->last_seen = check->now;
}

/* An original is repeated once more. */
INLINE void count_repeat(block_index *target, record *r, const page_check *check) {
    r->seen++;
    r->last_seen = check->now;
    target->state[REPEATS]++;
    if (r->page != check->page && r->mark != check->page) {
        r->mark = check->page;
        r->pages++;
    }
}

/* Judges one block against `x`, and against `overlay` if there is one; what is new goes to the overlay
 * if there is one, else to `x`. `entry` gets the page's entry for the block. Returns 0 where memory ran
 * out, else 1. */
INLINE int check_block(block_index *x, block_index *overlay, const block_view *block, const page_check *check,
                       const verdict_rule *rule, judge_scratch *judge, finding *found, u32 *entry) {
    block_index *target = overlay ? overlay : x;
    page_check local = {check->page, check->now, check->before, 0, 0};
    finding none = {{NEW, 0, 0}, NULL, 0, 0, 0};
    *found = none;
    found->id = find_exact(x, block, check);
    block_index *home = x;
    if (!found->id && overlay) {
        found->id = find_exact(overlay, block, &local);
        home = overlay;
    }
    if (found->id) {
        record *r = record_at(home, found->id);
        if (home == target && r->page == check->page && r->mark != check->page) { /* its own: recognised */
            recognise(r, check, block->position);
            *entry = found->id;
            return 1;
        }
        verdict exact = {EXACT, 1, 1};
        found->verdict = exact;
        found->original = r;
    } else {
        begin_judging(judge, block->trace, block->tokens);
        if (!find_best(x, block, check, rule, judge, found)) return 0;
        if (overlay && !find_best(overlay, block, &local, rule, judge, found)) return 0;
    }
    if (found->verdict.kind == NEW || found->verdict.kind == EXTENSION) {
        *entry = add_original(target, block, check);
        return 1;
    }
    *entry = found->id | REPEAT_ENTRY;
    record *r = found->original;
    /* Its own lie in the overlay. */
    if (!check->lookup || r->page == check->page) count_repeat(target, r, check);
    return 1;
}

INLINE void prefetch_block(const block_index *x, const block_view *block) {
    PREFETCH(x->tags + home_slot(x, key_tag(block->fingerprint_high)));
    for (size_t k = 0; k < block->key_count; k++) PREFETCH(x->tags + home_slot(x, key_tag(block->keys[k])));
}

/* ---- doing again what was decided before ------------------------------------------------------ */

/* Originals as they were added, back to back. */
typedef struct {
    const u64 *fingerprints;
    const u32 *tokens; /* the field of the record */
    const u16 *bodies; /* the trace, or the values */
    const u8 *tag_counts;
    const u32 *tags, *tags_end; /* of every key that was tried, that of the fingerprint included */
    size_t count, next;
} added_originals;

/* Does again what checking a page did, by its entries: adds the next of `added` where an entry is the id that
 * comes next, else recognises or counts. The caller made room. Returns 0 where an entry cannot be. */
INLINE int apply_entries(block_index *x, added_originals *added, const u32 *entries, size_t n,
                         const page_check *check) {
    enum { AHEAD = 64 };
    for (size_t i = 0; i < n; i++) {
        u32 id = entries[i] & ~REPEAT_ENTRY;
        if (!id) continue;
        if (id + RECORD_UNITS <= x->state[USED_UNITS]) {
            record *r = record_at(x, id);
            if (entries[i] & REPEAT_ENTRY) {
                count_repeat(x, r, check);
            } else {
                recognise(r, check, (u32)i);
            }
            continue;
        }
        size_t at = added->next++;
        if (entries[i] != x->state[USED_UNITS] || at == added->count) return 0;
        u32 tokens = added->tokens[at];
        u32 new_id = add_record(x, added->fingerprints[at], tokens, added->bodies, (u32)i, check);
        added->bodies += tokens & ~VALUES_FLAG;
        for (u8 k = 0; k < added->tag_counts[at]; k++) {
            if (added->tags + AHEAD < added->tags_end) {
                u64 home = home_slot(x, added->tags[AHEAD]);
                PREFETCH(x->tags + home);
                PREFETCH(x->ids + home);
            }
            add_posting(x, key_tag(*added->tags++), new_id, check->before);
        }
    }
    return 1;
}

/* ---- undoing a page -------------------------------------------------------------------------- */

/* Takes back what a page's repeats counted, and marks what it owns as awaiting recognition. */
static void withdraw_page(block_index *x, const u32 *entries, size_t n, u32 page) {
    for (size_t i = 0; i < n; i++) {
        record *r = record_at(x, entries[i] & ~REPEAT_ENTRY);
        r->mark = NOBODY;
        if (entries[i] & REPEAT_ENTRY) {
            r->seen--;
            x->state[REPEATS] -= r->page != NOBODY;
        }
    }
    for (size_t i = 0; i < n; i++) {
        record *r = record_at(x, entries[i] & ~REPEAT_ENTRY);
        if (!(entries[i] & REPEAT_ENTRY) || r->page == page || r->mark == page) continue;
        r->mark = page;
        r->pages--;
    }
    for (size_t i = 0; i < n; i++) record_at(x, entries[i] & ~REPEAT_ENTRY)->mark = NOBODY;
}

INLINE void release_original(block_index *x, record *r) {
    r->page = NOBODY;
    x->state[ORIGINALS]--;
    x->state[REPEATS] -= r->seen;
    x->state[DEAD_UNITS] += (i64)record_units(r);
}

/* Releases the originals that a page owns and did not recognise since withdraw_page. */
static void release_unclaimed(block_index *x, const u32 *entries, size_t n, u32 page) {
    for (size_t i = 0; i < n; i++) {
        if (entries[i] & REPEAT_ENTRY) continue;
        record *r = record_at(x, entries[i]);
        if (r->page == page && r->mark != page) release_original(x, r);
    }
}

/* Releases the originals last seen earlier than `before`; owners[page] becomes 1 for the pages that own
 * one of the others. */
static void release_expired(block_index *x, u32 before, u8 *owners, size_t pages) {
    for (u64 at = 1; at < (u64)x->state[USED_UNITS];) {
        record *r = record_at(x, (u32)at);
        at += record_units(r);
        if (r->page == NOBODY) continue;
        if (!is_alive(r, before)) {
            release_original(x, r);
        } else if (r->page < pages) {
            owners[r->page] = 1;
        }
    }
}

/* ---- growing and compacting ------------------------------------------------------------------ */

/* Moves every posting to an empty table with free slots to spare. With `forwarded`, ids are replaced
 * by the marks of their records (see forward_records) and those of released originals are dropped. */
static void move_postings(const block_index *from, block_index *to, int forwarded) {
    i64 moved = 0;
    for (u64 i = 0; i < from->slots; i++) {
        u32 tag = from->tags[i], id = from->ids[i];
        if (!tag) continue;
        if (forwarded) id = record_at(from, id)->mark;
        if (!id) continue;
        u64 at = home_slot(to, tag);
        while (to->tags[at]) at = next_slot(to, at);
        to->tags[at] = tag;
        to->ids[at] = id;
        moved++;
    }
    from->state[POSTINGS] = moved;
}

/* Writes into each record's mark the id that it will have once the released ones are squeezed out (0
 * for those). */
static void forward_records(block_index *x) {
    u64 to = 1;
    for (u64 at = 1; at < (u64)x->state[USED_UNITS];) {
        record *r = record_at(x, (u32)at);
        u64 units = record_units(r);
        r->mark = r->page == NOBODY ? 0 : (u32)to;
        if (r->page != NOBODY) to += units;
        at += units;
    }
}

/* Moves each record to its forwarded place and clears the marks. */
static void slide_records(block_index *x) {
    u64 used = 1;
    for (u64 at = 1; at < (u64)x->state[USED_UNITS];) {
        record *r = record_at(x, (u32)at);
        u64 units = record_units(r);
        if (r->mark) {
            u64 to = r->mark;
            r->mark = NOBODY;
            memmove(x->arena + to, x->arena + at, units * 8);
            used = to + units;
        }
        at += units;
    }
    x->state[USED_UNITS] = (i64)used;
    x->state[DEAD_UNITS] = 0;
}

#endif
