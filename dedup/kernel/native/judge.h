/* Two traces to a verdict: Jaccard similarity on padded 2-shingles, containment on 3-shingles, both
 * exact over the stored 16-bit values, and the rule that turns them into near, excerpt or extension.
 *
 * The rule stands here, and in its twin, once for every index: in memory it runs inside
 * check_blocks, elsewhere over the candidates that a store sends back.
 */
#ifndef DEDUP_JUDGE_H
#define DEDUP_JUDGE_H

#include "tokens.h"

enum { SKIPPED = 0, NEW = 1, EXACT = 2, NEAR = 3, EXCERPT = 4, EXTENSION = 5 };

typedef struct {
    double threshold;   /* near: similarity from here on */
    double containment; /* excerpt: containment from here on */
    double ratio;       /* excerpt: shingles of the shorter under this share of the longer's */
    double shingles;    /* excerpt: shared 3-shingles at least */
} verdict_rule;

typedef struct {
    int kind;
    double similarity, containment;
} verdict;

/* A set of shingles: open addressing. An entry is shingle << 16 | stamp, where the stamp is the last
 * candidate that shared the shingle; 0 is empty (no shingle is 0: tokens are never the pad ^). */
typedef struct {
    u64 *entries;
    size_t size; /* a power of two */
    size_t capacity;
    int shift;
    size_t distinct;
} shingle_set;

typedef struct {
    shingle_set pairs, triples, misses;
    u64 *missed; /* shingles of a candidate that the block does not have */
    size_t missed_capacity;
    const u16 *trace;
    size_t tokens;
    int has_pairs, has_triples;
    u64 stamp;
} judge_scratch;

enum { MAX_STAMP = 0xFFFF };

static void free_judge_scratch(judge_scratch *j) {
    free(j->pairs.entries);
    free(j->triples.entries);
    free(j->misses.entries);
    free(j->missed);
}

/* Empties the set and makes room for n shingles, a third full: long probes are mispredicted ones. */
static int reset_set(shingle_set *set, size_t n) {
    size_t size = 16;
    int shift = 60;
    while (size < 3 * n) {
        size *= 2;
        shift--;
    }
    if (size > set->capacity) {
        free(set->entries);
        set->entries = malloc(size * sizeof(u64));
        set->capacity = set->entries ? size : 0;
        if (!set->entries) return 0;
    }
    set->size = size;
    set->shift = shift;
    set->distinct = 0;
    memset(set->entries, 0, size * sizeof(u64));
    return 1;
}

INLINE size_t find_shingle(const shingle_set *set, u64 shingle) {
    size_t at = (size_t)((shingle * P64_1) >> set->shift);
    while (set->entries[at] && set->entries[at] >> 16 != shingle) at = (at + 1) & (set->size - 1);
    return at;
}

INLINE void add_shingle(shingle_set *set, u64 shingle) {
    size_t at = find_shingle(set, shingle);
    set->distinct += set->entries[at] == 0;
    set->entries[at] = shingle << 16;
}

/* Visits the n + 1 padded 2-shingles, or the n - 2 plain 3-shingles, of a trace. */
#define FOR_EACH_PAIR(trace, n, shingle, body)                                                     \
    do {                                                                                           \
        u64 left_ = PAD_START;                                                                     \
        for (size_t i_ = 0; i_ <= (n); i_++) {                                                     \
            u64 right_ = i_ < (n) ? (trace)[i_] : PAD_END, shingle = left_ << 16 | right_;         \
            body;                                                                                  \
            left_ = right_;                                                                        \
        }                                                                                          \
    } while (0)
#define FOR_EACH_TRIPLE(trace, n, shingle, body)                                                   \
    do {                                                                                           \
        for (size_t i_ = 2; i_ < (n); i_++) {                                                      \
            u64 shingle = (u64)(trace)[i_ - 2] << 32 | (u64)(trace)[i_ - 1] << 16 | (trace)[i_];   \
            body;                                                                                  \
        }                                                                                          \
    } while (0)

INLINE void begin_judging(judge_scratch *j, const u16 *trace, size_t tokens) {
    j->trace = trace;
    j->tokens = tokens;
    j->has_pairs = j->has_triples = 0;
    j->stamp = 0;
}

static int reserve_missed(judge_scratch *j, size_t n) {
    if (n <= j->missed_capacity) return 1;
    free(j->missed);
    j->missed = malloc(2 * n * sizeof(u64));
    j->missed_capacity = j->missed ? 2 * n : 0;
    return j->missed != NULL;
}

/* How much of a candidate's stream of shingles lies in the block's set. */
typedef struct {
    size_t distinct; /* shingles shared, each counted once */
    size_t adjacent; /* neighbours in the stream that are both shared */
    size_t missed;   /* shingles not shared, counted as often as they stand there */
    int before;
} overlap;

INLINE void share_shingle(overlap *o, u64 *missed, const shingle_set *set, u64 stamp, u64 shingle) {
    size_t at = find_shingle(set, shingle);
    u64 entry = set->entries[at];
    int shared = entry != 0;
    o->distinct += shared && (entry & MAX_STAMP) != stamp;
    o->adjacent += shared & o->before;
    o->before = shared;
    if (shared) set->entries[at] = shingle << 16 | stamp;
    missed[o->missed] = shingle;
    o->missed += !shared;
}

/* Distinct shingles of the candidate: those shared, and the distinct ones among the missed. */
INLINE int count_distinct(judge_scratch *j, const overlap *o, size_t *distinct) {
    if (!reset_set(&j->misses, o->missed)) return 0;
    for (size_t i = 0; i < o->missed; i++) add_shingle(&j->misses, j->missed[i]);
    *distinct = o->distinct + j->misses.distinct;
    return 1;
}

/* Counts what a candidate shares of the block's pairs: one pass, which refutes most candidates. The
 * triples that it can share are at most `adjacent`. Returns 0 where memory ran out. */
INLINE int share_pairs(judge_scratch *j, const u16 *trace, size_t tokens, overlap *pairs) {
    overlap counted = {0, 0, 0, 0}; /* of its own, so that it stays in registers */
    if (!reserve_missed(j, tokens + 1)) return 0;
    if (j->stamp >= MAX_STAMP - 1) begin_judging(j, j->trace, j->tokens);
    if (!j->has_pairs) {
        if (!reset_set(&j->pairs, j->tokens + 1)) return 0;
        FOR_EACH_PAIR(j->trace, j->tokens, shingle, add_shingle(&j->pairs, shingle));
        j->has_pairs = 1;
    }
    shingle_set set = j->pairs;
    u64 stamp = ++j->stamp;
    FOR_EACH_PAIR(trace, tokens, shingle, share_shingle(&counted, j->missed, &set, stamp, shingle));
    *pairs = counted;
    return 1;
}

/* What the similarity can be at most: the union is at least the block's own set. */
INLINE double similarity_bound(const judge_scratch *j, const overlap *pairs) {
    return (double)pairs->distinct / (double)j->pairs.distinct;
}

/* Jaccard similarity on pairs, after share_pairs; -1 where memory ran out. */
INLINE double pair_similarity(judge_scratch *j, const overlap *pairs) {
    size_t its;
    if (!count_distinct(j, pairs, &its)) return -1;
    return (double)pairs->distinct / (double)(j->pairs.distinct + its - pairs->distinct);
}

typedef struct {
    size_t shared, own, its; /* distinct triples */
} triple_counts;

INLINE int share_triples(judge_scratch *j, const u16 *trace, size_t tokens, triple_counts *counts) {
    overlap triples = {0, 0, 0, 0};
    if (!j->has_triples) {
        if (!reset_set(&j->triples, j->tokens)) return 0;
        FOR_EACH_TRIPLE(j->trace, j->tokens, shingle, add_shingle(&j->triples, shingle));
        j->has_triples = 1;
    }
    shingle_set set = j->triples;
    u64 stamp = ++j->stamp;
    FOR_EACH_TRIPLE(trace, tokens, shingle, share_shingle(&triples, j->missed, &set, stamp, shingle));
    counts->shared = triples.distinct;
    counts->own = j->triples.distinct;
    return count_distinct(j, &triples, &counts->its);
}

/* Share of the shorter's triples that the longer has; the similarity where there are none. */
INLINE double triple_containment(const triple_counts *c, double similarity) {
    size_t shorter = c->own < c->its ? c->own : c->its;
    return shorter ? (double)c->shared / (double)shorter : similarity;
}

/* EXCERPT, EXTENSION or NEW, for a candidate that is not near. */
INLINE int excerpt_kind(const verdict_rule *rule, const triple_counts *c, double containment) {
    size_t shorter = c->own < c->its ? c->own : c->its, longer = c->own < c->its ? c->its : c->own;
    if (containment < rule->containment || (double)c->shared < rule->shingles ||
        (double)shorter >= rule->ratio * (double)longer)
        return NEW;
    return c->own < c->its ? EXCERPT : EXTENSION;
}

/* The verdict on the block of begin_judging against one original. All zero but for kind NEW where no
 * rule holds; kind -1 where memory ran out. */
static verdict judge_candidate(judge_scratch *j, const verdict_rule *rule, const u16 *trace, size_t tokens) {
    verdict nothing = {NEW, 0, 0}, failed = {-1, 0, 0};
    overlap pairs;
    triple_counts triples;
    if (!share_pairs(j, trace, tokens, &pairs)) return failed;
    int excerpt_possible = (double)pairs.adjacent >= rule->shingles;
    if (similarity_bound(j, &pairs) < rule->threshold && !excerpt_possible) return nothing;
    double similarity = pair_similarity(j, &pairs);
    if (similarity < 0) return failed;
    int near = similarity >= rule->threshold;
    if (!near && !excerpt_possible) return nothing;
    if (!share_triples(j, trace, tokens, &triples)) return failed;
    double containment = triple_containment(&triples, similarity);
    int kind = near ? NEAR : excerpt_kind(rule, &triples, containment);
    verdict found = {kind, similarity, containment};
    return kind == NEW ? nothing : found;
}

#endif
