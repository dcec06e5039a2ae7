/* A block's trace to its LSH keys: the bottom-k MinHash of its shingles (Broder 1997), in strata.
 *
 * Of the long shingles only local minima count: those whose hash is smallest among its neighbours (as
 * in winnowing, Schleimer et al. 2003). Neighbours have most words in common, so that one edit undoes
 * them together, and a part of the text may have none of either: keys that stand apart find more. The
 * first shingle is a key whatever its hash: a teaser begins where its text begins. A text of few words has
 * few local minima; there, those among direct neighbours fill up, so that a short quote has one.
 *
 * A shingle is a window of consecutive tokens that weighs just enough: a word weighs WORD_WEIGHT, a
 * character of an unspaced script UNSPACED_WEIGHT, so 5 words, 8 characters, or a mixture. Tokens
 * with digits all count as one symbol here, so a changed date or counter keeps the keys. Windows are
 * hashed as polynomials over the trace, by prefix sums. How many keys of which windows: `key_scheme`,
 * chosen by the caller.
 */
#ifndef DEDUP_SKETCH_H
#define DEDUP_SKETCH_H

#include "tokens.h"

enum { MAX_WINDOW = 64, MAX_STRATUM = 32, WIDEST = 256 };

typedef struct {
    i64 long_weight;  /* weight of a long window */
    i64 neighbours;   /* a local minimum is smallest among so many long windows on either side */
    i64 long_keys;    /* smallest hashes taken of the local minima */
    i64 head_keys;    /* besides, so many from the start: the first long window, then local minima */
    i64 short_weight; /* weight of a short window, pads ^ and $ included */
    i64 short_below;  /* blocks lighter than this have short windows too */
    i64 short_keys;   /* smallest hashes taken of them */
    i64 least_long;   /* where there are fewer long keys, the lowest among direct neighbours fill up */
    i64 most_short;   /* no more short keys than make so many in all */
    i64 spread;       /* about so many minima: those of longer blocks are lowest among more neighbours */
} key_scheme;

#define POLYNOMIAL 0xD6E8FEB86659FD93ull
#define SHORT_SALT 0x9E6C63D0876A9A47ull

typedef struct {
    u64 *memory; /* hashes of windows; prefix sums, then hashes of minima; their places */
    size_t capacity;
    u64 powers[MAX_WINDOW + 1];
} sketch_scratch;

static void init_sketch_scratch(sketch_scratch *s) {
    s->memory = NULL;
    s->capacity = 0;
    s->powers[0] = 1;
    for (int i = 1; i <= MAX_WINDOW; i++) s->powers[i] = s->powers[i - 1] * POLYNOMIAL;
}

static int reserve_sketch(sketch_scratch *s, size_t tokens) {
    if (s->capacity >= tokens + tokens / 4 + 8) return 1; /* minima, those kept of them, and spare room */
    free(s->memory);
    s->capacity = tokens + tokens / 2 + 64;
    s->memory = malloc(s->capacity * (2 * sizeof(u64) + sizeof(u32)));
    if (!s->memory) s->capacity = 0;
    return s->memory != NULL;
}

INLINE u64 key_symbol(u16 value) {
    return value >= TRACE_DIGITS && value < TRACE_UNSPACED ? TRACE_DIGITS : value;
}

/* Keeps the `limit` smallest distinct values seen so far in `best`, ascending; returns how many. */
INLINE int keep_smallest(u64 *best, int count, int limit, u64 value) {
    if (count == limit && value >= best[count - 1]) return count;
    int at = count;
    while (at > 0 && best[at - 1] > value) at--;
    if (at > 0 && best[at - 1] == value) return count;
    if (count < limit) count++;
    for (int i = count - 1; i > at; i--) best[i] = best[i - 1];
    best[at] = value;
    return count;
}

/* The `limit` smallest distinct of n hashes, ascending, to best. Hashes are uniform, so a filter at
 * three times the expected place of the last one leaves few to sort. `spare` has room for n. */
INLINE int smallest(const u64 *hashes, size_t n, int limit, u64 *spare, u64 *best) {
    int count = 0;
    if (!limit) return 0;
    if (n > (size_t)limit * 4) {
        u64 bound = UINT64_MAX / n * (u64)limit * 3;
        size_t left = 0;
        for (size_t i = 0; i < n; i++) {
            spare[left] = hashes[i];
            left += hashes[i] <= bound;
        }
        for (size_t i = 0; i < left; i++) count = keep_smallest(best, count, limit, spare[i]);
        if (count == limit) return count;
        count = 0;
    }
    for (size_t i = 0; i < n; i++) count = keep_smallest(best, count, limit, hashes[i]);
    return count;
}

INLINE void mix_windows_loop(u64 *hashes, size_t n, u64 salt) {
    for (size_t i = 0; i < n; i++) hashes[i] = avalanche_xxh64(hashes[i] ^ salt);
}

NOINLINE void mix_windows_base(u64 *hashes, size_t n, u64 salt) { mix_windows_loop(hashes, n, salt); }
#if DEDUP_X86
TARGET_AVX512 NOINLINE void mix_windows_avx512(u64 *hashes, size_t n, u64 salt) {
    mix_windows_loop(hashes, n, salt);
}
#endif

INLINE void mix_windows(u64 *hashes, size_t n, u64 salt) {
#if DEDUP_X86
    if (kernel_level >= LEVEL_AVX512) { /* AVX2 has no 64-bit product: no gain there */
        mix_windows_avx512(hashes, n, salt);
        return;
    }
#endif
    mix_windows_base(hashes, n, salt);
}

INLINE int has_unspaced(const u16 *trace, size_t n) {
    u16 highest = 0;
    for (size_t i = 0; i < n; i++) highest = trace[i] > highest ? trace[i] : highest;
    return highest >= TRACE_UNSPACED;
}

/* Hashes of the windows of `weight` over trace[0..n): long ones with digits masked; short ones (`padded`)
 * unmasked, with a pad at either end. Returns how many. The polynomial's prefix sums live in the second half of the scratch. */
INLINE size_t window_hashes(sketch_scratch *s, const u16 *trace, size_t n, i64 weight, int padded,
                            u64 salt) {
    u64 *hashes = s->memory, *prefix = s->memory + s->capacity;
    size_t length = 0, count = 0;
    u64 sum = 0;
    prefix[length++] = 0;
    if (padded) prefix[length++] = sum = PAD_START;
    for (size_t i = 0; i < n; i++) {
        u64 symbol = padded ? trace[i] : key_symbol(trace[i]);
        prefix[length++] = sum = sum * POLYNOMIAL + symbol;
    }
    if (padded) prefix[length++] = sum * POLYNOMIAL + PAD_END;
    size_t symbols = length - 1, stop = 0;
    i64 held = 0;
    if (LIKELY(!has_unspaced(trace, n))) { /* every window has the same width */
        size_t width = (size_t)(weight + WORD_WEIGHT - 1) / WORD_WEIGHT;
        u64 power = s->powers[width];
        count = symbols < width ? 0 : symbols - width + 1;
        for (size_t i = 0; i < count; i++) hashes[i] = prefix[i + width] - prefix[i] * power;
        mix_windows(hashes, count, salt);
        return count;
    }
    for (size_t start = 0; start < symbols; start++) {
        while (held < weight && stop < symbols) {
            size_t token = padded ? stop - 1 : stop;
            held += padded && (stop == 0 || stop == symbols - 1) ? WORD_WEIGHT : token_weight(trace[token]);
            stop++;
        }
        if (held < weight) break;
        hashes[count++] = prefix[stop] - prefix[start] * s->powers[stop - start];
        size_t token = padded ? start - 1 : start;
        held -= padded && (start == 0 || start == symbols - 1) ? WORD_WEIGHT : token_weight(trace[token]);
    }
    mix_windows(hashes, count, salt);
    return count;
}

/* Whether a hash is a local minimum: none before it is lower, none after it as low. */
INLINE int is_minimum(const u64 *hash, size_t before, size_t after) {
    int lowest = 1;
    for (size_t k = 1; k <= before; k++) lowest &= hash[0] <= *(hash - k);
    for (size_t k = 1; k <= after; k++) lowest &= hash[0] < hash[k];
    return lowest;
}

/* The places of the local minima of n hashes in their order, each smallest among `neighbours` on either
 * side; `places` has room for n. Returns how many. */
INLINE size_t find_minima(const u64 *hashes, size_t n, size_t neighbours, u32 *places) {
    size_t count = 0, inner = n > 2 * neighbours ? n - neighbours : 0;
    for (size_t i = 0; i < n; i++) {
        if (i == neighbours) { /* most of them, without asking where they stand */
            for (; i < inner; i++) {
                places[count] = (u32)i;
                count += (size_t)is_minimum(hashes + i, neighbours, neighbours);
            }
            if (i == n) break;
        }
        size_t before = i < neighbours ? i : neighbours, after = n - 1 - i;
        places[count] = (u32)i;
        count += (size_t)is_minimum(hashes + i, before, after < neighbours ? after : neighbours);
    }
    return count;
}

/* The hashes at these places that are smallest among `wide` on either side, as they are among `neighbours`. */
static size_t keep_widest(const u64 *hashes, size_t n, size_t neighbours, size_t wide, const u32 *places,
                          size_t found, u64 *minima) {
    size_t count = 0;
    for (size_t m = 0; m < found; m++) {
        const size_t at = places[m], before = at < wide ? at : wide, after = n - 1 - at < wide ? n - 1 - at : wide;
        const u64 *hash = hashes + at;
        size_t k = neighbours + 1;
        while (k <= after && hash[0] < hash[k]) k++;
        if (k <= after) continue; /* a lower one is near, as a rule */
        for (k = neighbours + 1; k <= before && hash[0] <= *(hash - k); k++) {}
        if (k > before) minima[count++] = hash[0];
    }
    return count;
}

/* Adds to `count` keys, up to `least`, the smallest of those hashes that they lack and that are smallest
 * among their direct neighbours. `minima` and `places` have room for n. */
NOINLINE int fill_up(u64 *keys, int count, int least, const u64 *hashes, size_t n, u64 *minima, u32 *places) {
    u64 more[2 * MAX_STRATUM];
    size_t lesser = 0;
    n = find_minima(hashes, n, 1, places);
    for (size_t i = 0; i < n; i++) { /* without branches: what they held would be mispredicted */
        u64 hash = hashes[places[i]];
        int held = 0;
        for (int k = 0; k < count; k++) held |= keys[k] == hash;
        minima[lesser] = hash;
        lesser += !held;
    }
    int found = 0;
    for (size_t i = 0; i < lesser; i++) found = keep_smallest(more, found, least - count, minima[i]);
    for (int i = 0; i < found; i++) count = keep_smallest(keys, count, least, more[i]);
    return count;
}

/* The keys of a trace: the long windows' (ascending, distinct), then the short windows'. Returns how
 * many; at most 2 * MAX_STRATUM + MAX_STRATUM. A scheme of no keys is for those who have their own. */
INLINE size_t trace_keys(sketch_scratch *s, const key_scheme *scheme, const u16 *trace, size_t n, u64 *keys) {
    if (!scheme->long_keys && !scheme->head_keys && !scheme->short_keys) return 0;
    n -= goes_on(trace, n);
    size_t windows = window_hashes(s, trace, n, scheme->long_weight, 0, 0);
    u64 *minima = s->memory + s->capacity;
    u32 *places = (u32 *)(s->memory + 2 * s->capacity);
    const size_t neighbours = (size_t)scheme->neighbours;
    size_t found = neighbours == 2 /* the usual number, for the compiler to unroll */
                       ? find_minima(s->memory, windows, 2, places)
                       : find_minima(s->memory, windows, neighbours, places);
    for (size_t i = 0; i < found; i++) minima[i] = s->memory[places[i]];
    u64 first = windows ? s->memory[0] : 0;
    u64 *spare = neighbours ? minima + found : s->memory; /* no two neighbours are minima */
    size_t chosen = found;
    const u64 *from = minima;
    if (neighbours && windows >= (size_t)scheme->spread * (2 * neighbours + 3)) { /* among more of them, then */
        size_t wide = (windows / (size_t)scheme->spread - 1) / 2;
        chosen = keep_widest(s->memory, windows, neighbours, wide < WIDEST ? wide : WIDEST, places, found, spare);
        from = spare;
        spare += chosen;
    }
    int count = smallest(from, chosen, (int)scheme->long_keys, spare, keys), most = 2 * MAX_STRATUM;
    i64 head = scheme->head_keys;
    if (windows && head-- > 0) count = keep_smallest(keys, count, most, first);
    for (size_t i = 0; i < found && head > 0; i++)
        if (minima[i] != first && head-- > 0) count = keep_smallest(keys, count, most, minima[i]);
    if (count < scheme->least_long && neighbours > 1)
        count = fill_up(keys, count, (int)scheme->least_long, s->memory, windows, minima, places);
    i64 weight = 0;
    for (size_t i = 0; i < n && weight < scheme->short_below; i++) weight += token_weight(trace[i]);
    if (weight < scheme->short_below && n > 0) {
        windows = window_hashes(s, trace, n, scheme->short_weight, 1, SHORT_SALT);
        i64 room = scheme->most_short > count ? scheme->most_short - count : 0;
        count += smallest(s->memory, windows, (int)(room < scheme->short_keys ? room : scheme->short_keys), minima,
                          keys + count);
    }
    return (size_t)count;
}

#endif
