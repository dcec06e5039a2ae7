/* The characters that the scan of lines looks at, one at a time: white space, case, punctuation.
 * Knows nothing of lines.
 *
 * White space: what Python's str.isspace() says (Unicode White_Space and U+001C..001F), and U+FEFF
 * and U+200B, which pad scraped text.
 * Malformed UTF-8 is never read past the page's end: a byte that begins no whole character counts
 * as a character of its own where characters are looked at, and a code point is counted at every
 * byte that is not a continuation byte.
 */
#ifndef DEDUP_LINE_CHARACTERS_H
#define DEDUP_LINE_CHARACTERS_H

#include <stdint.h>
#include <string.h>

/* Bytes of the white-space character at p, or 0. */
static inline int line_white_width(const uint8_t *p, const uint8_t *end) {
    if (p >= end)
        return 0;
    if (*p < 0x80)
        return (*p >= 0x09 && *p <= 0x0D) || (*p >= 0x1C && *p <= 0x20);
    if (*p == 0xC2)
        return end - p >= 2 && (p[1] == 0x85 || p[1] == 0xA0) ? 2 : 0;
    if (end - p < 3)
        return 0;
    switch (*p) {
    case 0xE1: return p[1] == 0x9A && p[2] == 0x80 ? 3 : 0;
    case 0xE2:
        if (p[1] == 0x80)
            return (p[2] >= 0x80 && p[2] <= 0x8B) || p[2] == 0xA8 || p[2] == 0xA9 || p[2] == 0xAF
                       ? 3 : 0;
        return p[1] == 0x81 && p[2] == 0x9F ? 3 : 0;
    case 0xE3: return p[1] == 0x80 && p[2] == 0x80 ? 3 : 0;
    case 0xEF: return p[1] == 0xBB && p[2] == 0xBF ? 3 : 0;
    default: return 0;
    }
}

/* Bytes of the white-space character that ends at p, or 0. */
static inline int line_white_before(const uint8_t *start, const uint8_t *p) {
    if (p - start >= 1 && line_white_width(p - 1, p) == 1)
        return 1;
    if (p - start >= 2 && line_white_width(p - 2, p) == 2)
        return 2;
    return p - start >= 3 && line_white_width(p - 3, p) == 3 ? 3 : 0;
}

/* True where a word ends: at the line's end or at white space. */
static inline int line_gap_at(const uint8_t *p, const uint8_t *end) {
    return p >= end || line_white_width(p, end) > 0;
}

/* The code point at p < end and its bytes; U+FFFD and 1 where no whole character begins. */
static inline uint32_t line_code_point(const uint8_t *p, const uint8_t *end, int *width) {
    uint32_t code = *p;
    int more = code < 0xC0 ? 0 : code < 0xE0 ? 1 : code < 0xF0 ? 2 : 3;

    *width = 1;
    if (code < 0x80)
        return code;
    if (more == 0 || end - p <= more)
        return 0xFFFD;
    code &= more == 3 ? 0x0F : 0x3Fu >> more;
    for (int i = 1; i <= more; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return 0xFFFD;
        code = code << 6 | (p[i] & 0x3Fu);
    }
    if (code < (more == 1 ? 0x80u : more == 2 ? 0x800u : 0x10000u)) /* longer than it need be */
        return 0xFFFD;
    *width = more + 1;
    return code;
}

/* The code point that ends at p > start and its bytes; U+FFFD and 1 where none does. */
static inline uint32_t line_code_point_before(const uint8_t *start, const uint8_t *p, int *width) {
    if (p[-1] < 0x80) {
        *width = 1;
        return p[-1];
    }
    for (int back = 2; back <= 4 && p - start >= back; back++) {
        if ((p[-back] & 0xC0) != 0x80) {
            uint32_t code = line_code_point(p - back, p, width);
            if (*width == back)
                return code;
            break;
        }
    }
    *width = 1;
    return 0xFFFD;
}

/* 1 lower-case, 2 upper-case, 0 neither: Latin, Greek, Cyrillic and Armenian, without a table.
 * Where the cases alternate, parity tells; the few letters that it gets wrong are rare. */
static inline int line_case(uint32_t code) {
    if (code < 0x80)
        return code >= 'a' && code <= 'z' ? 1 : code >= 'A' && code <= 'Z' ? 2 : 0;
    if (code < 0x100)
        return code < 0xC0 || code == 0xD7 || code == 0xF7 ? 0 : code >= 0xDF ? 1 : 2;
    if (code < 0x250) {
        if ((code >= 0x139 && code <= 0x148) || (code >= 0x179 && code <= 0x17E))
            return code & 1 ? 2 : 1;
        return code & 1 ? 1 : 2;
    }
    if (code < 0x2B0)
        return 1;
    if (code >= 0x386 && code <= 0x3CE && code != 0x387)
        return code >= 0x3AC || code == 0x390 ? 1 : 2;
    if (code >= 0x400 && code <= 0x45F)
        return code >= 0x430 ? 1 : 2;
    if ((code >= 0x460 && code <= 0x481) || (code >= 0x48A && code <= 0x52F)) {
        if (code >= 0x4C1 && code <= 0x4CE)
            return code & 1 ? 2 : 1;
        return code & 1 ? 1 : 2;
    }
    if (code >= 0x531 && code <= 0x587)
        return code >= 0x561 ? 1 : code <= 0x556 ? 2 : 0;
    if (code >= 0x1E00 && code <= 0x1EFF)
        return code & 1 ? 1 : 2;
    if (code >= 0x1F00 && code <= 0x1FFF)
        return code & 8 ? 2 : 1;
    return 0;
}

static inline int line_is_digit(uint8_t byte) { return byte >= '0' && byte <= '9'; }

static inline int line_is_letter(uint8_t byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

/* Punctuation that may stand around words; everything else beyond ASCII counts as a letter. */
static inline int line_is_punctuation(uint32_t code) {
    if (code < 0x80)
        return !line_is_digit((uint8_t)code) && !line_is_letter((uint8_t)code);
    return (code >= 0xA0 && code <= 0xBF && code != 0xAA && code != 0xB5 && code != 0xBA) ||
           (code >= 0x2000 && code <= 0x206F) || (code >= 0x2500 && code <= 0x259F) ||
           (code >= 0x3000 && code <= 0x3003) || (code >= 0x3008 && code <= 0x3011) ||
           code == 0xFEFF;
}

static inline int line_is_bullet(uint32_t code) {
    return code == 0xB7 || code == 0x2022 || code == 0x2023 || code == 0x2043 || code == 0x2219 ||
           (code >= 0x25A0 && code <= 0x27BF) || code == 0x30FB ||
           (code >= 0xF000 && code <= 0xF0FF);
}

static inline int line_is_closer(uint32_t code) {
    return code == '"' || code == '\'' || code == ')' || code == ']' || code == '}' ||
           code == '*' || code == '_' || code == 0xBB || code == 0x2019 || code == 0x201D ||
           code == 0x203A ||
           code == 0x300D || code == 0x300F || code == 0x3011 || code == 0xFF09;
}

static inline int line_is_terminal(uint32_t code) {
    switch (code) {
    case '.': case '!': case '?': case ':': case ';':
    case 0x37E: case 0x589: case 0x61B: case 0x61F: case 0x6D4: case 0x964: case 0x965:
    case 0x104B: case 0x1362: case 0x17D4: case 0x2026: case 0x203C: case 0x3002: case 0xFF01:
    case 0xFF0E: case 0xFF1A: case 0xFF1B: case 0xFF1F: case 0xFF61:
        return 1;
    default:
        return 0;
    }
}

static inline int line_continues(uint32_t code) {
    return code == '-' || code == ',' || code == 0xAD || code == 0x60C || code == 0x2010 ||
           code == 0x3001 || code == 0xFF0C;
}

#endif
