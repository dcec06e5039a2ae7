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

/* How much of a stream of shingles lies in a set. */
typedef struct {
    size_t distinct; /* shingles shared, each counted once */
    size_t adjacent; /* neighbours in the stream that are both shared */
} overlap;

INLINE void share_shingle(overlap *o, shingle_set *set, u64 shingle, u32 stamp, int *before) {
    size_t at = find_shingle(set, shingle);
    int shared = set->keys[at] != 0;
    o->distinct += shared && set->stamps[at] != stamp;
    o->adjacent += shared & *before;
    if (shared) set->stamps[at] = stamp;
    *before = shared;
}

/* The verdict on the block of begin_judging against one original. All zero but for kind NEW where no
 * rule holds; kind -1 where memory ran out. Most candidates of a large index are false ones, so what
 * one pass over the candidate can refute goes no further. */
static verdict judge_candidate(judge_scratch *j, const verdict_rule *rule, const u16 *trace, size_t tokens) {
    verdict result = {NEW, 0, 0}, failed = {-1, 0, 0};
    overlap pairs = {0, 0}, triples = {0, 0};
    int before = 0;
    if (!j->has_pairs) {
        if (!reset_set(&j->pairs, j->tokens + 1)) return failed;
        FOR_EACH_PAIR(j->trace, j->tokens, shingle, add_shingle(&j->pairs, shingle));
        j->has_pairs = 1;
    }
    j->stamp++;
    FOR_EACH_PAIR(trace, tokens, shingle, share_shingle(&pairs, &j->pairs, shingle, j->stamp, &before));
    /* The union is at least the block's own set; shared 3-shingles are neighbouring shared pairs. */
    int near_possible = (double)pairs.distinct / (double)j->pairs.distinct >= rule->threshold;
    if (!near_possible && (double)pairs.adjacent < rule->shingles) return result;

    if (!reset_set(&j->other, tokens + 1)) return failed;
    FOR_EACH_PAIR(trace, tokens, shingle, add_shingle(&j->other, shingle));
    size_t all = j->pairs.distinct + j->other.distinct - pairs.distinct;
    double similarity = (double)pairs.distinct / (double)all;
    int near = similarity >= rule->threshold;
    if (!near && (double)pairs.adjacent < rule->shingles) return result;

    if (!j->has_triples) {
        if (!reset_set(&j->triples, j->tokens)) return failed;
        FOR_EACH_TRIPLE(j->trace, j->tokens, shingle, add_shingle(&j->triples, shingle));
        j->has_triples = 1;
    }
    if (!reset_set(&j->other, tokens)) return failed;
    FOR_EACH_TRIPLE(trace, tokens, shingle, add_shingle(&j->other, shingle));
    FOR_EACH_TRIPLE(trace, tokens, shingle, share_shingle(&triples, &j->triples, shingle, j->stamp, &before));
    size_t own = j->triples.distinct, its = j->other.distinct;
    size_t shorter = own < its ? own : its, longer = own < its ? its : own;
    double containment = shorter ? (double)triples.distinct / (double)shorter : similarity;
    if (near) {
        result.kind = NEAR;
    } else if (containment >= rule->containment && (double)triples.distinct >= rule->shingles &&
               (double)shorter < rule->ratio * (double)longer) {
        result.kind = own < its ? EXCERPT : EXTENSION;
    } else {
        return result;
    }
    result.similarity = similarity;
    result.containment = containment;
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
