/* What the lines of text pages look like: where each begins and ends, how wide it is, how it starts
 * and stops. One pass over UTF-8; buffers in, buffers out. Must not know what a block is: which
 * lines belong together is decided by the caller (dedup/blocks.py), and the twin in
 * dedup/kernel/reference/lines.py does the same in Python, bit for bit, on any bytes.
 *
 * Line terminators: LF, VT, FF, CR, NEL (U+0085), LS (U+2028), PS (U+2029), each one; and one or
 * more CRs with an LF behind them, together one (CR CR LF is what a file looks like that was
 * converted twice). A run of CRs without LF is as many terminators.
 */
#ifndef DEDUP_LINES_H
#define DEDUP_LINES_H

#include "line_characters.h"

/* Rows of the output, int64 fields[LINE_FIELDS][capacity]. Blank lines are not written. */
enum {
    LINE_START,      /* byte offset in the buffer of the first character that is not white space */
    LINE_END,        /* byte offset after the last such character */
    LINE_CHAR_START, /* the same two in code points from the page's start */
    LINE_CHAR_END,
    LINE_NUMBER,     /* 1-based, blank lines counted */
    LINE_INDENT,     /* column where its words begin, after white space and ">" marks */
    LINE_EDGE,       /* column after its last character; from U+3000 on a character has two columns,
                      * Thai and Lao signs above and below letters none */
    LINE_FIRST,      /* columns of its first word, 64 at most, such signs counted */
    LINE_FLAGS,      /* the bits below, and how many ">" marks it begins with (15 at most) << 16 */
    LINE_FIELDS
};

enum {
    LINE_BREAK = 1,        /* first of its page, or after a blank line, FF or PS */
    LINE_STRUCTURE = 2,    /* starts like a heading (#, ==), a table row (|), a fence (```, ~~~) */
    LINE_BARE = 4,         /* punctuation alone: a rule, a stray mark */
    LINE_MARKER = 8,       /* starts with a bullet or a section sign */
    LINE_WEAK = 16,        /* starts with "1.", "(a)", "[1]", "Art. 5." or a dash: item or chance */
    LINE_LOWER = 32,       /* the first letter is lower-case */
    LINE_UPPER = 64,       /* the first letter is upper-case */
    LINE_DIGIT = 128,      /* a digit comes before any letter */
    LINE_CAPS = 256,       /* upper-case letters and no lower-case ones in its first 64 bytes */
    LINE_TERMINAL = 512,   /* ends like a sentence or a clause: . ! ? : ; and their kin */
    LINE_CONTINUES = 1024, /* ends in a hyphen or a comma */
    LINE_GAP = 2048,       /* a tab or four spaces between its words (looked for up to 256 bytes) */
    LINE_FIGURES = 4096,   /* digits and punctuation alone, like a page number */
    LINE_WIDE = 8192       /* begins with a two-column character */
};

#define LINE_ONES UINT64_C(0x0101010101010101)
#define LINE_HIGHS UINT64_C(0x8080808080808080)
#define LINE_CAPS_REACH 64
#define LINE_GAP_REACH 256
#define LINE_FIRST_REACH 64

static inline int line_digits(const uint8_t *p, const uint8_t *end, int most) {
    int count = 0;
    while (count < most && p + count < end && line_is_digit(p[count]))
        count++;
    return count;
}

static inline int line_roman(const uint8_t *p, const uint8_t *end) {
    int count = 0;
    while (count < 6 && p + count < end && p[count] && strchr("ivxlcIVXLC", p[count]))
        count++;
    return count;
}

/* After an enumerator: an optional backslash (Markdown escapes), "." or ")", and the word's end. */
static inline int line_closes(const uint8_t *p, const uint8_t *end) {
    if (p < end && *p == '\\')
        p++;
    return p < end && (*p == '.' || *p == ')') && line_gap_at(p + 1, end);
}

/* "Art. 5.", "SEC. 12:", "Chapter IV.": a capitalised word of up to 12 bytes and a number. */
static inline int line_is_label(const uint8_t *p, const uint8_t *end) {
    int letters = 0, number;

    if (p >= end || *p < 'A' || *p > 'Z')
        return 0;
    while (letters < 12 && p + letters < end && (line_is_letter(p[letters]) || p[letters] >= 0x80))
        letters++;
    if (letters < 2)
        return 0;
    p += letters;
    if (p < end && *p == '.')
        p++;
    if (p >= end || *p != ' ')
        return 0;
    p++;
    number = line_digits(p, end, 5);
    if (number == 0)
        number = line_roman(p, end);
    else if (p + number < end && p[number] >= 'a' && p[number] <= 'z')
        number++;
    p += number;
    return number > 0 && (p >= end || *p == '.' || *p == ':');
}

/* Which kind of start: LINE_STRUCTURE, LINE_MARKER, LINE_WEAK or 0. */
static int line_marker(const uint8_t *p, const uint8_t *end) {
    int width, count, dotted = 0;
    uint32_t code;

    if (p >= end)
        return 0;
    code = line_code_point(p, end, &width);
    switch (code) {
    case '|': return LINE_STRUCTURE;
    case '#':
        for (count = 1; count < 7 && p + count < end && p[count] == '#'; count++)
            ;
        return count < 7 && line_gap_at(p + count, end) ? LINE_STRUCTURE : 0;
    case '=': return end - p >= 2 && p[1] == '=' ? LINE_STRUCTURE : 0;
    case '`': case '~':
        return end - p >= 3 && p[1] == *p && p[2] == *p ? LINE_STRUCTURE : 0;
    case '*': case '+': return line_gap_at(p + 1, end) ? LINE_MARKER : 0;
    case '-':
        if (line_gap_at(p + 1, end))
            return LINE_MARKER;
        return p[1] == '-' && line_gap_at(p + 2, end) ? LINE_WEAK : 0;
    case 0x2013: case 0x2014: case 0x2015: return line_gap_at(p + width, end) ? LINE_WEAK : 0;
    case 0xA7: case 0xB6: return LINE_MARKER;
    case '(':
        count = line_digits(p + 1, end, 3);
        if (count == 0)
            count = line_roman(p + 1, end);
        if (count == 0 && end - p >= 2)
            count = line_is_letter(p[1]);
        return count > 0 && p + count + 1 < end && p[count + 1] == ')' &&
                       line_gap_at(p + count + 2, end)
                   ? LINE_WEAK : 0;
    case '[':
        count = line_digits(p + 1, end, 3);
        return count > 0 && p + count + 1 < end && p[count + 1] == ']' &&
                       line_gap_at(p + count + 2, end)
                   ? LINE_WEAK : 0;
    default: break;
    }
    if (line_is_bullet(code))
        return LINE_MARKER;
    if (code < 0x80 && line_is_digit((uint8_t)code)) {
        p += line_digits(p, end, 4);
        while (p + 1 < end && *p == '.' && (count = line_digits(p + 1, end, 3)) > 0) {
            p += count + 1;
            dotted = 1;
        }
        return line_closes(p, end) || (dotted && line_gap_at(p, end)) ? LINE_WEAK : 0;
    }
    if (code == 'o' && end - p >= 3 && p[1] == ' ' && p[2] == ' ')
        return LINE_MARKER;
    if (code < 0x80 && line_is_letter((uint8_t)code)) {
        count = line_roman(p, end);
        if (line_closes(p + (count > 0 ? count : 1), end) || line_is_label(p, end))
            return LINE_WEAK;
    }
    return 0;
}

/* What letters there are: LINE_LOWER, _UPPER, _DIGIT, _CAPS, _BARE and _FIGURES. */
static int line_letters(const uint8_t *p, const uint8_t *end) {
    const uint8_t *reach = end - p > LINE_CAPS_REACH ? p + LINE_CAPS_REACH : end;
    const uint8_t *start = p;
    int flags = 0, width, letters = 0, uppers = 0;

    /* Up to the first letter; a rule may be long. */
    for (; p < end; p += width) {
        uint32_t code = line_code_point(p, end, &width);
        if (code < 0x80 && line_is_digit((uint8_t)code))
            flags |= LINE_DIGIT;
        else if (!line_is_punctuation(code)) {
            letters = line_case(code);
            break;
        }
    }
    if (p >= end)
        return flags | (flags ? LINE_FIGURES : LINE_BARE);
    if (!(flags & LINE_DIGIT))
        flags |= letters == 1 ? LINE_LOWER : letters == 2 ? LINE_UPPER : 0;
    for (p = start; p < reach; p += width) {
        int kind = line_case(line_code_point(p, end, &width));
        if (kind == 1)
            return flags;
        uppers += kind == 2;
    }
    return uppers >= 2 ? flags | LINE_CAPS : flags;
}

/* LINE_TERMINAL or LINE_CONTINUES, behind up to four closing quotes and brackets. */
static int line_ending(const uint8_t *start, const uint8_t *end) {
    for (int closers = 0; end > start; closers++) {
        int width;
        uint32_t code = line_code_point_before(start, end, &width);
        if (line_is_terminal(code))
            return LINE_TERMINAL;
        if (line_continues(code))
            return LINE_CONTINUES;
        if (closers == 4 || !line_is_closer(code))
            return 0;
        end -= width;
    }
    return 0;
}

/* Given white space at p: U+00A0 or U+202F. */
static inline int line_forbids_break(const uint8_t *p) {
    return (p[0] == 0xC2 && p[1] == 0xA0) || (p[0] == 0xE2 && p[1] == 0x80 && p[2] == 0xAF);
}

/* Columns of the first word: up to white space where a line can be broken, which U+00A0 and U+202F
 * forbid; a two-column character is a word of its own. */
static int64_t line_first(const uint8_t *p, const uint8_t *end) {
    int64_t columns = 0;

    if (p < end && *p >= 0xE3)
        return 2;
    for (; p < end && columns < LINE_FIRST_REACH; p++) {
        if (*p >= 0xE3 || (line_white_width(p, end) > 0 && !line_forbids_break(p)))
            break;
        columns += (*p & 0xC0) != 0x80;
    }
    return columns;
}

static int line_has_gap(const uint8_t *p, const uint8_t *end) {
    int64_t size = end - p;
    uint8_t gap = 0;

    if (size > LINE_GAP_REACH)
        return 0;
    for (int64_t i = 0; i < size; i++)
        gap |= p[i] == '\t';
    for (int64_t i = 0; i < size - 3; i++)
        gap |= (p[i] == ' ') & (p[i + 1] == ' ') & (p[i + 2] == ' ') & (p[i + 3] == ' ');
    return gap;
}

/* Thai and Lao signs that stand above or below a letter and take no column. */
static int64_t line_stacked(const uint8_t *p, const uint8_t *end) {
    int64_t marks = 0;

    p = memchr(p, 0xE0, (size_t)(end - p));
    if (!p)
        return 0;
    for (; end - p >= 3; p++)
        if (p[0] == 0xE0 && (p[1] & 0xFC) == 0xB8)
            marks += p[1] & 1 ? p[2] >= 0x87 && p[2] <= 0x8E
                              : p[2] == 0xB1 || (p[2] >= 0xB4 && p[2] <= 0xBC);
    return marks;
}

/* Code points (bytes that are no continuation bytes) and, on request, those of two columns. */
static int64_t line_count(const uint8_t *p, const uint8_t *end, int64_t *wide) {
    int64_t characters = 0, wides = 0;

    while (end - p >= 8) {
        uint64_t sum = 0, broad = 0;
        for (int i = 0; i < 31 && end - p >= 8; i++, p += 8) { /* 31 * 8 fits a byte */
            uint64_t word;
            memcpy(&word, p, 8);
            sum += (~word >> 7 | word >> 6) & LINE_ONES;
            broad += (((word & ~LINE_HIGHS) + 0x1D * LINE_ONES) & word & LINE_HIGHS) >> 7;
        }
        characters += (int64_t)((sum * LINE_ONES) >> 56);
        wides += (int64_t)((broad * LINE_ONES) >> 56);
    }
    for (; p < end; p++) {
        characters += (*p & 0xC0) != 0x80;
        wides += *p >= 0xE3;
    }
    if (wide)
        *wide += wides;
    return characters;
}

static inline int line_is_terminator(const uint8_t *p, const uint8_t *end) {
    if (*p >= 0x0A && *p <= 0x0D)
        return 1;
    if (*p == 0xC2)
        return end - p >= 2 && p[1] == 0x85;
    return *p == 0xE2 && end - p >= 3 && p[1] == 0x80 && (p[2] == 0xA8 || p[2] == 0xA9);
}

/* The next terminator or `end`; *high becomes non-zero where a byte on the way is not ASCII. Eight
 * bytes a step: high bits of `hit` mark bytes of 0x0A..0x0D and, where there may be any, 0xC2 and
 * 0xE2, which begin the other terminators. */
static const uint8_t *line_find_terminator(const uint8_t *p, const uint8_t *end, uint64_t *high) {
    for (; end - p >= 8; p += 8) {
        uint64_t word, low, hit;
        memcpy(&word, p, 8);
        low = word & ~LINE_HIGHS;
        hit = (low + 0x76 * LINE_ONES) & ~(low + 0x72 * LINE_ONES) & ~word & LINE_HIGHS;
        if (word & LINE_HIGHS) {
            uint64_t other = (word | 0x20 * LINE_ONES) ^ 0xE2 * LINE_ONES;
            hit |= ~(((other & ~LINE_HIGHS) + ~LINE_HIGHS) | other) & LINE_HIGHS;
            *high |= word & LINE_HIGHS;
        }
        if (hit)
            for (int i = 0; i < 8; i++)
                if (line_is_terminator(p + i, end))
                    return p + i;
    }
    for (; p < end; p++) {
        if (line_is_terminator(p, end))
            return p;
        *high |= *p & 0x80;
    }
    return end;
}

/* Columns of the white space before a line; tabs stop at every eighth. */
static int64_t line_indent(const uint8_t *p, const uint8_t *end) {
    int64_t columns = 0;

    while (p < end) {
        int width = line_white_width(p, end);
        if (*p == '\t')
            columns = (columns | 7) + 1;
        else if (*p >= 0xE3)
            columns += *p == 0xE3 ? 2 : 0; /* U+3000; U+FEFF has no width */
        else
            columns += !(width == 3 && p[1] == 0x80 && p[2] == 0x8B); /* U+200B */
        p += width;
    }
    return columns;
}

/* Writes INDENT, EDGE, FIRST and FLAGS (all but LINE_BREAK) of a line whose text is start..end, a
 * row every `stride`. Returns the code points from start to end. */
static int64_t line_describe(const uint8_t *line, const uint8_t *start, const uint8_t *end,
                             int any_high, int64_t *fact, int64_t stride) {
    const uint8_t *text = start;
    int64_t indent = line_indent(line, start);
    int64_t depth = 0, wide = 0, characters, flags;

    while (text < end && *text == '>') {
        depth += depth < 15;
        for (text++; text < end && *text == ' '; text++)
            ;
    }
    indent += text - start;
    characters = any_high ? line_count(text, end, &wide) : end - text;
    if (any_high)
        wide -= line_stacked(text, end);
    flags = line_marker(text, end) | line_letters(text, end) | line_ending(text, end);
    flags |= line_has_gap(text, end) ? LINE_GAP : 0;
    flags |= text < end && *text >= 0xE3 ? LINE_WIDE : 0;
    fact[LINE_INDENT * stride] = indent;
    fact[LINE_EDGE * stride] = indent + characters + wide;
    fact[LINE_FIRST * stride] = line_first(text, end);
    fact[LINE_FLAGS * stride] = flags | depth << 16;
    return text - start + characters;
}

/* Describes every line of every page that is not blank, in order; the contract is the docstring of
 * scan_lines. Returns how many there are, which may be more than `capacity`. */
static int64_t scan_lines(const uint8_t *buffer, const int64_t *page_bounds, int64_t pages,
                          int64_t *fields, int64_t capacity, int64_t *line_bounds) {
    int64_t lines = 0;

    line_bounds[0] = 0;
    for (int64_t page = 0; page < pages; page++) {
        const uint8_t *p = buffer + page_bounds[page];
        const uint8_t *page_end = buffer + page_bounds[page + 1];
        int64_t number = 1, characters = 0;
        int64_t after_break = LINE_BREAK;

        while (p < page_end) {
            uint64_t high = 0;
            const uint8_t *line = p;
            const uint8_t *stop = line_find_terminator(p, page_end, &high);
            const uint8_t *next = stop, *start = line, *end = stop;
            int64_t terminators = 0;
            int breaks = 0, width;

            if (stop < page_end) {
                terminators = 1;
                if (*stop == '\r') {
                    while (next < page_end && *next == '\r')
                        next++;
                    if (next < page_end && *next == '\n')
                        next++;
                    else
                        terminators = next - stop;
                } else {
                    breaks = *stop == '\f' || (*stop == 0xE2 && stop[2] == 0xA9);
                    next += *stop == 0xE2 ? 3 : *stop == 0xC2 ? 2 : 1;
                    high |= *stop & 0x80;
                }
            }
            while ((width = line_white_width(start, end)) > 0)
                start += width;
            if (start == end) {
                after_break = LINE_BREAK;
                characters += high ? line_count(line, next, 0) : next - line;
            } else {
                while ((width = line_white_before(start, end)) > 0)
                    end -= width;
                if (lines < capacity) {
                    int64_t *fact = fields + lines;
                    int64_t before = high ? line_count(line, start, 0) : start - line;
                    int64_t inside = line_describe(line, start, end, high != 0, fact, capacity);

                    fact[LINE_START * capacity] = start - buffer;
                    fact[LINE_END * capacity] = end - buffer;
                    fact[LINE_CHAR_START * capacity] = characters + before;
                    fact[LINE_CHAR_END * capacity] = characters + before + inside;
                    fact[LINE_NUMBER * capacity] = number;
                    fact[LINE_FLAGS * capacity] |= after_break;
                    characters += before + inside;
                    characters += high ? line_count(end, next, 0) : next - end;
                }
                after_break = 0;
                lines++;
            }
            if (breaks || terminators > 1)
                after_break = LINE_BREAK;
            number += terminators;
            p = next;
        }
        line_bounds[page + 1] = lines;
    }
    return lines;
}

#endif
