/* Two traces to a verdict: Jaccard similarity on padded 2-shingles, containment on plain ones, both
 * exact over the stored 16-bit values, and the rule that turns them into near, excerpt or extension.
 *
 * The rule stands here, and in its twin, once for every index: in memory it runs inside
 * check_blocks, elsewhere over the candidates that a store sends back.
 */
#ifndef DEDUP_JUDGE_H
#define DEDUP_JUDGE_H

#include "tokens.h"

/* ESTIMATED: near, by the estimate of MinHash values, where the original has nothing better. */
enum { SKIPPED = 0, NEW = 1, EXACT = 2, NEAR = 3, EXCERPT = 4, EXTENSION = 5, ESTIMATED = 6 };

typedef struct {
    double threshold;      /* near: similarity from here on */
    double containment;    /* excerpt: containment from here on */
    double ratio;          /* excerpt: shingles of the shorter under this share of the longer's */
    double shingles;       /* excerpt: so many shared shingles, */
    double few_shingles;   /* or so many ... */
    double few_similarity; /* ... and this similarity; or so many that a longer text begins with */
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
    shingle_set own, misses;
    u64 *missed; /* shingles of a candidate that the block does not have */
    size_t missed_capacity;
    const u16 *trace;
    size_t tokens, goes_on; /* without what says that the text goes on; and 1 where it does */
    int ready; /* `own` holds the block's shingles */
    u64 stamp;
} judge_scratch;

enum { MAX_STAMP = 0xFFFF };

static void free_judge_scratch(judge_scratch *j) {
    free(j->own.entries);
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

/* Visits the n + 1 padded 2-shingles of a trace. */
#define FOR_EACH_SHINGLE(trace, n, shingle, body)                                                  \
    do {                                                                                           \
        u64 left_ = PAD_START;                                                                     \
        for (size_t i_ = 0; i_ <= (n); i_++) {                                                     \
            u64 right_ = i_ < (n) ? (trace)[i_] : PAD_END, shingle = left_ << 16 | right_;         \
            body;                                                                                  \
            left_ = right_;                                                                        \
        }                                                                                          \
    } while (0)

INLINE void begin_judging(judge_scratch *j, const u16 *trace, size_t tokens) {
    j->trace = trace;
    j->goes_on = goes_on(trace, tokens);
    j->tokens = tokens - j->goes_on;
    j->ready = 0;
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
    size_t missed;   /* shingles not shared, counted as often as they stand there */
} overlap;

INLINE void share_shingle(overlap *o, u64 *missed, const shingle_set *set, u64 stamp, u64 shingle) {
    size_t at = find_shingle(set, shingle);
    u64 entry = set->entries[at];
    int shared = entry != 0;
    o->distinct += shared && (entry & MAX_STAMP) != stamp;
    if (shared) set->entries[at] = shingle << 16 | stamp;
    missed[o->missed] = shingle;
    o->missed += !shared;
}

/* Counts what a candidate shares of the block's shingles. Returns 0 where memory ran out. */
INLINE int share_shingles(judge_scratch *j, const u16 *trace, size_t tokens, overlap *found) {
    overlap counted = {0, 0}; /* of its own, so that it stays in registers */
    if (!reserve_missed(j, tokens + 1)) return 0;
    if (j->stamp == MAX_STAMP) begin_judging(j, j->trace, j->tokens + j->goes_on);
    if (!j->ready) {
        if (!reset_set(&j->own, j->tokens + 1)) return 0;
        FOR_EACH_SHINGLE(j->trace, j->tokens, shingle, add_shingle(&j->own, shingle));
        j->ready = 1;
    }
    shingle_set set = j->own;
    u64 stamp = ++j->stamp;
    FOR_EACH_SHINGLE(trace, tokens, shingle, share_shingle(&counted, j->missed, &set, stamp, shingle));
    *found = counted;
    return 1;
}

/* Whether more than `limit` distinct shingles were missed: exact for small limits, else "perhaps not". */
INLINE int missed_more_than(const judge_scratch *j, const overlap *found, size_t limit) {
    enum { SMALL = 16 };
    u64 kept[SMALL];
    size_t count = 0;
    if (limit >= SMALL) return 0;
    for (size_t i = 0; i < found->missed; i++) {
        size_t k = 0;
        while (k < count && kept[k] != j->missed[i]) k++;
        if (k < count) continue;
        if (count == limit) return 1;
        kept[count++] = j->missed[i];
    }
    return 0;
}

/* Distinct shingles of the candidate: those shared, and the distinct ones among the missed. */
INLINE int count_distinct(judge_scratch *j, const overlap *o, size_t *distinct) {
    if (!reset_set(&j->misses, o->missed)) return 0;
    for (size_t i = 0; i < o->missed; i++) add_shingle(&j->misses, j->missed[i]);
    *distinct = o->distinct + j->misses.distinct;
    return 1;
}

/* A teaser: but for a label before it, the text is how another begins. A label has so many tokens; or
 * more, where what follows is twice as long. */
enum { LABEL_TOKENS = 3, LONG_LABEL_TOKENS = 5 };

/* Tokens of `text` before what `whole` begins with, up to its end; -1: it is no teaser of it. The part in
 * common takes so many pairs of words, or as much of an unspaced script, and fewer than the whole's share.
 * Of a text that says that it goes on, a pair less is enough, and its last word may be half of one. */
static int label_before(const verdict_rule *rule, const u16 *text, size_t n, size_t goes_on, const u16 *whole,
                        size_t others) {
    if (others < 2) return -1;
    for (size_t label = 0; label <= LONG_LABEL_TOKENS && label + 1 < n; label++) {
        size_t common = n - label;
        if (label > LABEL_TOKENS && 2 * label > common) break;
        if (text[label] != whole[0]) continue;
        double least = WORD_WEIGHT * (rule->few_shingles + !(goes_on && label == 0));
        for (size_t half = 0; half <= goes_on; half++, common--) {
            if (common > others || (double)(common - 1) >= rule->ratio * (double)(others - 1)) continue;
            if (memcmp(text + label, whole, common * sizeof(u16)) != 0) continue;
            i64 weight = 0;
            for (size_t i = 0; i < common; i++) weight += token_weight(text[label + i]);
            if ((double)weight >= least) return (int)label;
        }
    }
    return -1;
}

/* The verdict on the block of begin_judging against one original, where it can be better than a near
 * one of similarity `floor` (-1: none is known). All zero but for kind NEW where no rule holds, or
 * none that is better; kind -1 where memory ran out. Most candidates of a large index are false ones,
 * so what one pass over the candidate can refute goes no further. */
static verdict judge_candidate(judge_scratch *j, const verdict_rule *rule, const u16 *trace, size_t tokens,
                               double floor) {
    verdict nothing = {NEW, 0, 0}, failed = {-1, 0, 0};
    overlap found;
    size_t its, its_goes_on = goes_on(trace, tokens);
    tokens -= its_goes_on;
    if (!share_shingles(j, trace, tokens, &found)) return failed;
    /* The union is at least the block's own set. */
    double bound = (double)found.distinct / (double)j->own.distinct;
    int near_possible = bound >= rule->threshold && bound > floor;
    /* Plain shingles: without those that have a pad, which are shared where the ends are equal. */
    size_t plain = found.distinct;
    if (tokens && j->tokens)
        plain -= (size_t)(trace[0] == j->trace[0]) + (trace[tokens - 1] == j->trace[j->tokens - 1]);
    double of_teaser = rule->few_shingles - (double)(j->goes_on | its_goes_on);
    int excerpt_possible = floor < 0 && ((double)plain >= of_teaser || (double)plain >= rule->shingles);
    int teaser = 0, teased = 0; /* the block is one of the original, or the other way round */
    if (excerpt_possible && (double)plain >= of_teaser) {
        teaser = label_before(rule, j->trace, j->tokens, j->goes_on, trace, tokens) >= 0;
        teased = !teaser && label_before(rule, trace, tokens, its_goes_on, j->trace, j->tokens) >= 0;
    }
    if (excerpt_possible && !teaser && !teased && (double)plain < rule->containment * ((double)j->own.distinct - 2)) {
        /* Then the original must be the shorter, with few shingles beside the shared ones and two
         * pads (one more, for rounding). */
        double beside = (double)plain / rule->containment - (double)plain;
        excerpt_possible = !missed_more_than(j, &found, (size_t)beside + 3);
    }
    if (!near_possible && !excerpt_possible) return nothing;

    if (!count_distinct(j, &found, &its)) return failed;
    double similarity = (double)found.distinct / (double)(j->own.distinct + its - found.distinct);
    /* A trace of no tokens has one shingle, of two pads; no such block is ever judged. */
    size_t mine = j->own.distinct < 2 ? 0 : j->own.distinct - 2, others = its < 2 ? 0 : its - 2;
    size_t shorter = mine < others ? mine : others, longer = mine < others ? others : mine;
    double containment = shorter ? (double)plain / (double)shorter : similarity;
    if (similarity >= rule->threshold) {
        verdict near = {NEAR, similarity, containment};
        return similarity > floor ? near : nothing;
    }
    if (teaser || teased) {
        verdict beginning = {teaser ? EXCERPT : EXTENSION, similarity, containment};
        return beginning;
    }
    int enough = (double)plain >= rule->shingles ||
                 ((double)plain >= rule->few_shingles && similarity >= rule->few_similarity);
    if (!excerpt_possible || !enough || containment < rule->containment ||
        (double)shorter >= rule->ratio * (double)longer)
        return nothing;
    verdict part = {mine < others ? EXCERPT : EXTENSION, similarity, containment};
    return part;
}

/* A set of 256 bits, one for each plain 2-shingle by its hash: a bit that one text has and another
 * lacks stands for a shingle, at least one, that the other lacks. */
enum { SIGNATURE_BYTES = 32 };

INLINE void sign_trace(const u16 *trace, size_t tokens, u8 *signature) {
    memset(signature, 0, SIGNATURE_BYTES);
    tokens -= goes_on(trace, tokens);
    for (size_t i = 1; i < tokens; i++) {
        u32 bit = (((u32)trace[i - 1] << 16 | trace[i]) * P32_1) >> 24;
        signature[bit >> 3] |= (u8)(1 << (bit & 7));
    }
}

/* The verdict by MinHash values: the share of equal ones estimates the similarity (Broder 1997), which
 * is the least that the containment can be. */
INLINE verdict estimate_candidate(const verdict_rule *rule, const u32 *values, const u32 *others, size_t n) {
    size_t equal = 0;
    for (size_t i = 0; i < n; i++) equal += values[i] == others[i];
    double similarity = n ? (double)equal / (double)n : 0;
    verdict nothing = {NEW, 0, 0}, estimated = {ESTIMATED, similarity, similarity};
    return similarity >= rule->threshold ? estimated : nothing;
}

/* What is preferred: what was computed before an estimate, a repeat before an extension. */
INLINE int verdict_rank(int kind) { return kind == ESTIMATED ? 2 * EXCERPT + 1 : 2 * kind; }

/* Whether verdict `a` is to be preferred to the best so far: near before excerpt before estimated
 * before extension, then the higher similarity. The caller visits candidates by ascending id, so ties
 * keep the lowest. */
INLINE int better_verdict(verdict a, verdict best) {
    if (a.kind == NEW) return 0;
    if (best.kind == NEW || a.kind != best.kind)
        return best.kind == NEW || verdict_rank(a.kind) < verdict_rank(best.kind);
    return a.similarity > best.similarity;
}

#endif
