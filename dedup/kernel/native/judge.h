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

/* A set of shingles: open addressing, 0 is empty (no shingle is 0: tokens are never the pad ^). */
typedef struct {
    u64 *keys;
    u32 *stamps; /* the last candidate that shared the shingle */
    size_t size; /* a power of two */
    size_t capacity;
    int shift;
    size_t distinct;
} shingle_set;

typedef struct {
    shingle_set pairs, triples, other;
    const u16 *trace;
    size_t tokens;
    int has_pairs, has_triples;
    u32 stamp;
} judge_scratch;

static void free_judge_scratch(judge_scratch *j) {
    free(j->pairs.keys);
    free(j->triples.keys);
    free(j->other.keys);
}

/* Room for n shingles; stamps live behind the keys in one allocation. */
static int reset_set(shingle_set *set, size_t n) {
    size_t size = 16;
    int shift = 60;
    while (size < 2 * n) {
        size *= 2;
        shift--;
    }
    if (size > set->capacity) {
        free(set->keys);
        set->keys = malloc(size * (sizeof(u64) + sizeof(u32)));
        set->capacity = set->keys ? size : 0;
        if (!set->keys) return 0;
    }
    set->stamps = (u32 *)(set->keys + size);
    set->size = size;
    set->shift = shift;
    set->distinct = 0;
    memset(set->keys, 0, size * (sizeof(u64) + sizeof(u32)));
    return 1;
}

INLINE size_t find_shingle(const shingle_set *set, u64 shingle) {
    size_t at = (size_t)((shingle * P64_1) >> set->shift);
    while (set->keys[at] && set->keys[at] != shingle) at = (at + 1) & (set->size - 1);
    return at;
}

INLINE void add_shingle(shingle_set *set, u64 shingle) {
    size_t at = find_shingle(set, shingle);
    set->distinct += set->keys[at] == 0;
    set->keys[at] = shingle;
}

/* How many distinct shingles the candidate's stream shares; call once per shingle of it. */
INLINE size_t share_shingle(shingle_set *set, u64 shingle, u32 stamp) {
    size_t at = find_shingle(set, shingle);
    if (!set->keys[at] || set->stamps[at] == stamp) return 0;
    set->stamps[at] = stamp;
    return 1;
}

/* Visits the n + 1 padded 2-shingles, or the n - 2 plain 3-shingles, of a trace. */
#define FOR_EACH_PAIR(trace, n, shingle, body)                                                     \
    do {                                                                                           \
        u64 before = PAD_START;                                                                    \
        for (size_t i = 0; i <= (n); i++) {                                                        \
            u64 now = i < (n) ? (trace)[i] : PAD_END, shingle = before << 16 | now;                \
            body;                                                                                  \
            before = now;                                                                          \
        }                                                                                          \
    } while (0)
#define FOR_EACH_TRIPLE(trace, n, shingle, body)                                                   \
    do {                                                                                           \
        for (size_t i = 2; i < (n); i++) {                                                         \
            u64 shingle = (u64)(trace)[i - 2] << 32 | (u64)(trace)[i - 1] << 16 | (trace)[i];      \
            body;                                                                                  \
        }                                                                                          \
    } while (0)

INLINE void begin_judging(judge_scratch *j, const u16 *trace, size_t tokens) {
    j->trace = trace;
    j->tokens = tokens;
    j->has_pairs = j->has_triples = 0;
    j->stamp = 0;
}

/* The verdict on the block of begin_judging against one original. kind is NEW where no rule holds,
 * -1 where memory ran out. */
static verdict judge_candidate(judge_scratch *j, const verdict_rule *rule, const u16 *trace, size_t tokens) {
    verdict result = {NEW, 0, 0}, failed = {-1, 0, 0};
    size_t shared = 0, other_distinct;
    if (!j->has_pairs) {
        if (!reset_set(&j->pairs, j->tokens + 1)) return failed;
        FOR_EACH_PAIR(j->trace, j->tokens, shingle, add_shingle(&j->pairs, shingle));
        j->has_pairs = 1;
    }
    j->stamp++;
    FOR_EACH_PAIR(trace, tokens, shingle, shared += share_shingle(&j->pairs, shingle, j->stamp));
    if (shared == 0) return result;
    if (!reset_set(&j->other, tokens + 1)) return failed;
    FOR_EACH_PAIR(trace, tokens, shingle, add_shingle(&j->other, shingle));
    result.similarity = (double)shared / (double)(j->pairs.distinct + j->other.distinct - shared);
    int near = result.similarity >= rule->threshold;
    /* A triple that is shared brings two pairs that are: a cheap bound before the longer count. */
    if (!near && shared < 3) return result;

    if (!j->has_triples) {
        if (!reset_set(&j->triples, j->tokens)) return failed;
        FOR_EACH_TRIPLE(j->trace, j->tokens, shingle, add_shingle(&j->triples, shingle));
        j->has_triples = 1;
    }
    if (!reset_set(&j->other, tokens)) return failed;
    FOR_EACH_TRIPLE(trace, tokens, shingle, add_shingle(&j->other, shingle));
    other_distinct = j->other.distinct;
    shared = 0;
    FOR_EACH_TRIPLE(trace, tokens, shingle, shared += share_shingle(&j->triples, shingle, j->stamp));
    size_t own_distinct = j->triples.distinct;
    size_t shorter = own_distinct < other_distinct ? own_distinct : other_distinct;
    size_t longer = own_distinct < other_distinct ? other_distinct : own_distinct;
    result.containment = shorter ? (double)shared / (double)shorter : result.similarity;
    if (near) {
        result.kind = NEAR;
    } else if (result.containment >= rule->containment && (double)shared >= rule->shingles &&
               (double)shorter < rule->ratio * (double)longer) {
        result.kind = own_distinct < other_distinct ? EXCERPT : EXTENSION;
    }
    return result;
}

/* Whether verdict `a` is to be preferred to the best so far: near before excerpt before extension,
 * then the higher similarity. The caller visits candidates by ascending id, so ties keep the lowest. */
INLINE int better_verdict(verdict a, verdict best) {
    if (a.kind == NEW) return 0;
    if (best.kind == NEW || a.kind != best.kind) return best.kind == NEW || a.kind < best.kind;
    return a.similarity > best.similarity;
}

#endif
