/* Folded text to tokens: the normalised text (tokens joined by one space) and, of each token, its
 * place, its hash and whether it is masked in keys.
 *
 * A token's trace value is 16 bits of its hash (XXH3 beyond 16 bytes), in three ranges, so that what keys must know of
 * a token (mask it? how much text is it?) can be read from the trace alone:
 *
 *     2 .. 0x7FFF         words (0 and 1 are the pads ^ and $ of padded shingles)
 *     0x8000 .. 0xBFFF    tokens with a decimal digit
 *     0xC000 .. 0xFFFF    characters of unspaced scripts
 *
 * A 1 at a trace's end is no token: it says that the text says that it goes on elsewhere (`end_trace`).
 */
#ifndef DEDUP_TOKENS_H
#define DEDUP_TOKENS_H

#include "fold.h"
#include "xxhash.h"

enum { PAD_START = 0, PAD_END = 1, TRACE_GOES_ON = 1, TRACE_DIGITS = 0x8000, TRACE_UNSPACED = 0xC000 };

/* How much text a token is: five words are as much as eight characters of an unspaced script. */
enum { WORD_WEIGHT = 8, UNSPACED_WEIGHT = 5 };

INLINE i64 token_weight(u16 value) { return value >= TRACE_UNSPACED ? UNSPACED_WEIGHT : WORD_WEIGHT; }

/* Scratch for one block; grows to the longest block seen. */
typedef struct {
    u8 *memory;
    size_t capacity;
    u8 *folded;     /* starts with a SPACE */
    u8 *normalised; /* tokens joined by one space */
} token_scratch;

static int reserve_scratch(token_scratch *s, size_t bytes) {
    size_t size = FOLDED_RATIO * bytes + SLACK;
    if (s->capacity < 2 * size) {
        free(s->memory);
        s->capacity = 2 * size + size / 2;
        s->memory = malloc(s->capacity);
        if (!s->memory) {
            s->capacity = 0;
            return 0;
        }
    }
    s->folded = s->memory;
    s->normalised = s->memory + s->capacity / 2;
    return 1;
}

/* Bit i: byte i of the 64 at p is no separator. */
INLINE u64 token_bytes(const u8 *p) {
#if DEDUP_X86
    u64 separators = 0;
    const __m128i space = _mm_set1_epi8(SPACE);
    for (int i = 0; i < 4; i++) {
        __m128i x = _mm_loadu_si128((const __m128i *)(p + 16 * i));
        u64 mask = (u32)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_max_epu8(x, space), space));
        separators |= mask << (16 * i);
    }
    return ~separators;
#else
    u64 bits = 0;
    for (int i = 0; i < 64; i++) bits |= (u64)(p[i] > SPACE) << i;
    return bits;
#endif
}

static int has_unicode_digit(const unicode_table *t, const u8 *p, size_t n) {
    for (const u8 *end = p + n; p < end;) {
        int length;
        u32 entry = table_entry(t, decode_utf8(p, end, &length));
        if (ENTRY_CLASS(entry) == DIGIT) return 1;
        p += length;
    }
    return 0;
}

#define TOKEN_KEY_LOW 0xE7037ED1A0B428DBull
#define TOKEN_KEY_HIGH 0x8EBC6AF09C88C6E3ull

/* The hash of a token of up to 16 bytes, given as two zero-padded words: one wide product, folded (as
 * in wyhash and XXH3), and no branch on the length, which is what hashing words costs most. */
INLINE u64 hash_short_token(u64 low, u64 high, size_t n) {
    return (multiply_fold(low ^ TOKEN_KEY_LOW, high ^ TOKEN_KEY_HIGH) ^ n) * PMX_1;
}

INLINE u16 trace_value(u64 hash, int unspaced, int digits) {
    if (unspaced) return (u16)(TRACE_UNSPACED | (hash >> 50));
    if (digits) return (u16)(TRACE_DIGITS | (hash >> 50));
    u16 value = (u16)(hash >> 49);
    return value < 2 ? (u16)(value + 2) : value;
}

/* Copies a token, hashes it, and says whether an ASCII digit is in it. Folded ASCII is letters (bit 6
 * set) and digits (bits 6 and 7 clear), so one mask finds the digits. Up to 16 bytes more than the
 * token are read and written. */
INLINE u64 take_token(u8 *to, const u8 *from, size_t n, int *has_digits) {
#if DEDUP_X86
    static const u8 keep[32] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
                                0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};
    __m128i x = _mm_loadu_si128((const __m128i *)from);
    _mm_storeu_si128((__m128i *)to, x);
    u32 digits = ~(u32)_mm_movemask_epi8(_mm_or_si128(x, _mm_add_epi8(x, x)));
    if (LIKELY(n <= 16)) {
        *has_digits = (digits & ((1u << n) - 1)) != 0;
        x = _mm_and_si128(x, _mm_loadu_si128((const __m128i *)(keep + 16 - n)));
        return hash_short_token((u64)_mm_cvtsi128_si64(x), (u64)_mm_cvtsi128_si64(_mm_unpackhi_epi64(x, x)), n);
    }
#else
    if (n <= 16) {
        u8 word[16] = {0};
        int found = 0;
        for (size_t i = 0; i < n; i++) found |= from[i] < 0x40;
        memcpy(word, from, n);
        memcpy(to, from, n);
        *has_digits = found;
        return hash_short_token(load64(word), load64(word + 8), n);
    }
#endif
    int found = 0;
    for (size_t i = 0; i < n; i++) found |= from[i] < 0x40;
    memcpy(to, from, n);
    *has_digits = found;
    return xxh3_64_long(from, n);
}

typedef struct {
    size_t tokens;
    size_t bytes; /* of the normalised text */
    int hard;     /* nothing else is valid then */
} tokenised;

/* Folds and tokenises one block. `trace` takes a value a token, `ends` the offset after each token
 * in the normalised text (either may be NULL). */
INLINE tokenised tokenise(const unicode_table *t, const u8 *text, size_t n, int folded,
                          token_scratch *s, u16 *trace, u32 *ends) {
    tokenised result = {0, 0, 0};
    folding f;
    s->folded[0] = SPACE;
    fold_text(&f, t, text, n, s->folded + 1, folded);
    if (f.hard) {
        result.hard = 1;
        return result;
    }
    memset(f.out, SPACE, 64);
    const u8 *base = s->folded;
    size_t length = (size_t)(f.out - base) + 1; /* one separator after the last token */
    u8 *out = s->normalised;
    u32 edges[64 * 64 + 2];
    size_t start = 0;
    int inside = 0;
    u64 carry = 0;
    for (size_t window = 0; window < length; window += 64 * 64) {
        size_t count = 0, stop = window + 64 * 64 < length ? window + 64 * 64 : length;
        if (inside) edges[count++] = (u32)start;
        for (size_t at = window; at < stop; at += 64) {
            u64 bits = token_bytes(base + at);
            u64 marks = bits ^ ((bits << 1) | carry);
            carry = bits >> 63;
            while (marks) {
                edges[count++] = (u32)(at + (size_t)trailing_zeros(marks));
                marks &= marks - 1;
            }
        }
        inside = count & 1;
        if (inside) start = edges[count - 1];
        for (size_t i = 0; i + 1 < count; i += 2) {
            const u8 *token = base + edges[i];
            size_t size = edges[i + 1] - edges[i];
            int digits, unspaced = token[-1] == UNSPACED;
            u64 hash = take_token(out, token, size, &digits);
            if (UNLIKELY(f.unicode_digits) && !digits) digits = has_unicode_digit(t, token, size);
            if (trace) trace[result.tokens] = trace_value(hash, unspaced, digits);
            out += size;
            if (ends) ends[result.tokens] = (u32)(out - s->normalised);
            *out++ = SPACE;
            result.tokens++;
        }
    }
    result.bytes = (size_t)(out - s->normalised) - (result.tokens > 0);
    return result;
}

/* ---- what an ellipsis leaves ------------------------------------------------------------------- */

/* "... Read more": up to three words (or five characters of an unspaced script) behind an ellipsis in the
 * last bytes of a text of five words (or eight characters), four of which (or seven) stand before it. */
enum { TAIL_BYTES = 64, MORE_WEIGHT = 25, LEAST_BEFORE = 32, LEAST_TEXT = 40 };

/* The offset after the last "..." or U+2026 that lies in the last TAIL_BYTES; 0: there is none. */
INLINE size_t after_ellipsis(const u8 *text, size_t n) {
    size_t from = n > TAIL_BYTES ? n - TAIL_BYTES : 0;
#if DEDUP_X86
    if (n >= TAIL_BYTES) { /* most texts have neither, and this tells at once */
        u64 dots = 0, lasts = 0;
        for (int i = 0; i < 4; i++) {
            __m128i x = _mm_loadu_si128((const __m128i *)(text + from + 16 * i));
            dots |= (u64)(u32)_mm_movemask_epi8(_mm_cmpeq_epi8(x, _mm_set1_epi8('.'))) << (16 * i);
            lasts |= (u64)(u32)_mm_movemask_epi8(_mm_cmpeq_epi8(x, _mm_set1_epi8((char)0xA6))) << (16 * i);
        }
        if (!(dots & dots << 1 & dots << 2) && !lasts) return 0;
    }
#endif
    for (size_t end = n; end >= from + 3; end--) {
        const u8 *p = text + end - 3;
        if ((p[0] == '.' && p[1] == '.' && p[2] == '.') || (p[0] == 0xE2 && p[1] == 0x80 && p[2] == 0xA6))
            return end;
    }
    return 0;
}

/* Whether a word of a spaced script ends at `end`. */
INLINE int is_word_before(const unicode_table *t, const u8 *text, size_t end) {
    size_t at = end;
    int length;
    do at--;
    while (at > 0 && end - at < 4 && (text[at] & 0xC0) == 0x80);
    u32 kind = ENTRY_CLASS(table_entry(t, decode_utf8(text + at, text + end, &length)));
    return kind != SEPARATOR && kind != CHARACTER;
}

/* Ends a trace as its text ends: without a label behind an ellipsis, and with TRACE_GOES_ON where the
 * last word may be half of one (the ellipsis follows it at once), or where but for saying that it goes on
 * the text is too short to be compared. Returns its new length. What was normalised is lost. */
NOINLINE size_t end_trace_at(const unicode_table *t, const u8 *text, size_t at, size_t n, int folded,
                             token_scratch *s, u16 *trace, size_t tokens) {
    tokenised label = tokenise(t, text + at, n - at, folded, s, NULL, NULL);
    if (label.hard || label.tokens > tokens) return tokens;
    size_t left = tokens - label.tokens;
    i64 before = 0, weight = 0;
    for (size_t i = 0; i < tokens; i++) *(i < left ? &before : &weight) += token_weight(trace[i]);
    if (weight > MORE_WEIGHT || before < LEAST_BEFORE || before + weight < LEAST_TEXT) return tokens;
    if (before < LEAST_TEXT || is_word_before(t, text, at - 3)) trace[left++] = TRACE_GOES_ON;
    return left;
}

INLINE size_t end_trace(const unicode_table *t, const u8 *text, size_t n, int folded, token_scratch *s, u16 *trace,
                        size_t tokens) {
    size_t at = after_ellipsis(text, n);
    return LIKELY(!at) ? tokens : end_trace_at(t, text, at, n, folded, s, trace, tokens);
}

/* Whether a trace says that its text goes on; if so, its last value is no token. */
INLINE size_t goes_on(const u16 *trace, size_t n) { return n > 0 && trace[n - 1] == TRACE_GOES_ON; }

#endif
