/* Text to folded text: NFKC, case folded, invisible characters gone, every separator one byte.
 *
 * In: UTF-8 (Python's, lone surrogates passed through; any other malformed byte counts as U+FFFD).
 * Out: a buffer in which SPACE separates tokens and UNSPACED stands before a character that is a token of
 * its own. Separators may repeat; tokens.h closes the gaps. What depends on neighbouring characters
 * (reordering or composition of marks) is not done here, nor is left-over markup removed: the block is
 * reported as hard, and the caller folds it with the full normaliser first. The table is described in
 * ../unicode.py.
 */
#ifndef DEDUP_FOLD_H
#define DEDUP_FOLD_H

#include "common.h"

enum { SEPARATOR = 0, WORD = 1, DIGIT = 2, CHARACTER = 3, MARK = 4, INVISIBLE = 5, COMPOSING_MARK = 6, COMPOSED = 7 };
enum { SPACE = 0x20, UNSPACED = 0x01 };

#define VALUE_MASK 0x1FFFFFu
#define ENTRY_CLASS(e) (((e) >> 21) & 7)
#define ENTRY_EXPANDS (1u << 24)
#define ENTRY_HARD (1u << 25)
#define ENTRY_RANK(e) ((e) >> 26)

/* Bytes of folded text for one byte of input, at most, and slack for whole-vector stores. */
#define FOLDED_RATIO 3
#define SLACK 96

typedef struct {
    const u16 *index;
    const u32 *entries;
    const u32 *expansions;
    const u64 *pairs;
    size_t pair_count;
} unicode_table;

typedef struct {
    u8 *out;           /* where the next byte goes; out[-1] can always be read */
    u32 last;          /* the last code point emitted (0: a separator) */
    u32 rank;          /* its combining class, as a rank */
    int composed;      /* it has a canonical decomposition */
    int after_unspaced; /* inside the token of an unspaced character */
    int unicode_digits; /* a decimal digit beyond ASCII was met */
    int hard;
} folding;

INLINE u32 table_entry(const unicode_table *t, u32 code) {
    return t->entries[((u32)t->index[code >> 7] << 7) | (code & 127)];
}

/* The code point at p (p < end) and its length in bytes. */
INLINE u32 decode_utf8(const u8 *p, const u8 *end, int *length) {
    u32 a = p[0];
    size_t left = (size_t)(end - p);
    *length = 1;
    if (a < 0x80) return a;
    if (a >= 0xC2 && a < 0xE0 && left > 1 && (p[1] & 0xC0) == 0x80) {
        *length = 2;
        return ((a & 0x1F) << 6) | (p[1] & 0x3Fu);
    }
    if (a >= 0xE0 && a < 0xF0 && left > 2 && (p[1] & 0xC0) == 0x80 && (p[2] & 0xC0) == 0x80) {
        u32 code = ((a & 0x0F) << 12) | ((p[1] & 0x3Fu) << 6) | (p[2] & 0x3Fu);
        if (code >= 0x800) {
            *length = 3;
            return code;
        }
    }
    if (a >= 0xF0 && a < 0xF5 && left > 3 && (p[1] & 0xC0) == 0x80 && (p[2] & 0xC0) == 0x80 &&
        (p[3] & 0xC0) == 0x80) {
        u32 code = ((a & 7) << 18) | ((p[1] & 0x3Fu) << 12) | ((p[2] & 0x3Fu) << 6) | (p[3] & 0x3Fu);
        if (code >= 0x10000 && code < 0x110000) {
            *length = 4;
            return code;
        }
    }
    return 0xFFFD;
}

INLINE void emit(folding *f, u32 code) {
    u8 *o = f->out;
    if (code < 0x80) {
        o[0] = (u8)code;
        f->out += 1;
    } else if (code < 0x800) {
        o[0] = (u8)(0xC0 | (code >> 6));
        o[1] = (u8)(0x80 | (code & 0x3F));
        f->out += 2;
    } else if (code < 0x10000) {
        o[0] = (u8)(0xE0 | (code >> 12));
        o[1] = (u8)(0x80 | ((code >> 6) & 0x3F));
        o[2] = (u8)(0x80 | (code & 0x3F));
        f->out += 3;
    } else {
        o[0] = (u8)(0xF0 | (code >> 18));
        o[1] = (u8)(0x80 | ((code >> 12) & 0x3F));
        o[2] = (u8)(0x80 | ((code >> 6) & 0x3F));
        o[3] = (u8)(0x80 | (code & 0x3F));
        f->out += 4;
    }
}

static int composes(const unicode_table *t, u32 first, u32 second) {
    u64 wanted = ((u64)first << 32) | second;
    size_t low = 0, high = t->pair_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (t->pairs[middle] < wanted)
            low = middle + 1;
        else
            high = middle;
    }
    return low < t->pair_count && t->pairs[low] == wanted;
}

/* One code point that folds to itself. */
INLINE void emit_folded(folding *f, u32 code, u32 entry) {
    u32 kind = ENTRY_CLASS(entry);
    if (LIKELY(kind == WORD || kind == COMPOSED || kind == DIGIT)) {
        if (f->after_unspaced) *f->out++ = SPACE;
        f->after_unspaced = 0;
        if (kind == DIGIT && code >= 0x80) f->unicode_digits = 1;
    } else if (kind == CHARACTER) {
        *f->out++ = UNSPACED;
        f->after_unspaced = 1;
    } else if (kind == SEPARATOR || f->last == 0) { /* a mark with nothing before it is a separator */
        *f->out++ = SPACE;
        f->last = f->rank = 0;
        f->composed = f->after_unspaced = 0;
        return;
    }
    emit(f, code);
    f->last = code;
    f->rank = ENTRY_RANK(entry);
    f->composed = kind == COMPOSED;
}

INLINE void fold_code_point(folding *f, const unicode_table *t, u32 code, int folded) {
    u32 entry = table_entry(t, code);
    u32 kind = ENTRY_CLASS(entry), rank = ENTRY_RANK(entry);
    if (kind == INVISIBLE) return;
    if (!folded) {
        if (entry & ENTRY_HARD) f->hard = 1;
        if (f->last && rank && f->rank > rank) f->hard = 1;
        if (kind == COMPOSING_MARK && f->last && (f->rank || f->composed || composes(t, f->last, code)))
            f->hard = 1;
        if (f->hard) return;
        if (entry & ENTRY_EXPANDS) {
            const u32 *parts = t->expansions + (entry & VALUE_MASK);
            for (u32 i = 1; i <= parts[0]; i++) emit_folded(f, parts[i], table_entry(t, parts[i]));
            return;
        }
        code = (code + entry) & VALUE_MASK;
    }
    emit_folded(f, code, entry);
}

INLINE u8 fold_ascii(u8 c) {
    u8 lower = c | 0x20;
    if (lower >= 'a' && lower <= 'z') return lower;
    return c >= '0' && c <= '9' ? c : SPACE;
}

/* Folds the ASCII bytes at p, 16 at most, to out (16 bytes are written); returns how many there were. */
INLINE int fold_ascii_run(const u8 *p, size_t left, u8 *out) {
#if DEDUP_X86
    __m128i x;
    if (LIKELY(left >= 16)) {
        x = _mm_loadu_si128((const __m128i *)p);
    } else {
        u8 tail[16];
        memset(tail, 0x80, 16); /* ends the run */
        memcpy(tail, p, left);
        x = _mm_loadu_si128((const __m128i *)tail);
    }
    int beyond = _mm_movemask_epi8(x);
    __m128i lower = _mm_or_si128(x, _mm_set1_epi8(0x20));
    __m128i letter = _mm_and_si128(_mm_cmpgt_epi8(lower, _mm_set1_epi8('a' - 1)),
                                   _mm_cmpgt_epi8(_mm_set1_epi8('z' + 1), lower));
    __m128i digit = _mm_and_si128(_mm_cmpgt_epi8(x, _mm_set1_epi8('0' - 1)),
                                  _mm_cmpgt_epi8(_mm_set1_epi8('9' + 1), x));
    __m128i kept = _mm_or_si128(_mm_and_si128(letter, lower), _mm_and_si128(digit, x));
    __m128i gap = _mm_andnot_si128(_mm_or_si128(letter, digit), _mm_set1_epi8(SPACE));
    _mm_storeu_si128((__m128i *)out, _mm_or_si128(kept, gap));
    return beyond ? trailing_zeros((u64)beyond) : 16;
#else
    int n = 0;
    for (; n < 16 && (size_t)n < left && p[n] < 0x80; n++) out[n] = fold_ascii(p[n]);
    return n;
#endif
}

/* Whether what may be an entity or a tag was left in a text ("&nbsp;", "</b>"): the block is hard then. */
static int has_markup(const u8 *p, size_t n) {
    enum { LONGEST_ENTITY = 32, LONGEST_TAG = 512 };
    const u8 *end = p + n;
    for (const u8 *at = p; (at = memchr(at, '&', (size_t)(end - at))) && ++at < end;) {
        size_t left = (size_t)(end - at);
        int begins = *at == '#' || fold_ascii(*at) >= 'a';
        if (begins && memchr(at, ';', left < LONGEST_ENTITY ? left : LONGEST_ENTITY)) return 1;
    }
    for (const u8 *at = p; (at = memchr(at, '<', (size_t)(end - at))) && ++at < end;) {
        size_t left = (size_t)(end - at);
        int begins = *at == '/' || fold_ascii(*at) >= 'a';
        if (begins && memchr(at, '>', left < LONGEST_TAG ? left : LONGEST_TAG)) return 1;
    }
    return 0;
}

/* Folds n bytes into out (room for FOLDED_RATIO * n + SLACK; out[-1] readable). `folded` says that
 * the text went through the full normaliser. Stops early where the block is hard. */
static void fold_text(folding *f, const unicode_table *t, const u8 *p, size_t n, u8 *out, int folded) {
    const u8 *end = p + n;
    f->out = out;
    f->last = f->rank = 0;
    f->composed = f->after_unspaced = f->unicode_digits = 0;
    f->hard = !folded && has_markup(p, n);
    if (UNLIKELY(f->hard)) return;
    while (p < end) {
        if (f->after_unspaced && *p < 0x80) {
            *f->out++ = SPACE;
            f->after_unspaced = 0;
        }
        int run = fold_ascii_run(p, (size_t)(end - p), f->out);
        p += run;
        f->out += run;
        if (run == 16 || p == end) continue;
        if (f->out[-1] < 0x80) { /* an ASCII run, or a separator, came last */
            f->last = f->out[-1] == SPACE ? 0 : f->out[-1];
            f->rank = 0;
            f->composed = 0;
        }
        while (p < end && *p >= 0x80) {
            int length;
            u32 code = decode_utf8(p, end, &length);
            fold_code_point(f, t, code, folded);
            if (UNLIKELY(f->hard)) return;
            p += length;
        }
    }
}

#endif
