/* Words of commands as they go over the wire to Redis: `$`, the length, the word. */
#ifndef DEDUP_WORDS_H
#define DEDUP_WORDS_H

#include "common.h"

/* Bytes that a number needs as a word, and a value beside its own, at most. */
enum { WORD_ROOM = 45 };

INLINE u8 *write_decimal(u8 *at, u64 value) {
    u8 digits[20];
    int n = 0;
    do digits[n++] = (u8)('0' + value % 10);
    while (value /= 10);
    while (n) *at++ = digits[--n];
    return at;
}

INLINE u8 *write_end(u8 *at) {
    *at++ = '\r';
    *at++ = '\n';
    return at;
}

INLINE u8 *write_length(u8 *at, u64 length) {
    *at++ = '$';
    return write_end(write_decimal(at, length));
}

/* A number as a word of a command. */
INLINE u8 *write_number(u8 *at, u64 number) {
    u8 digits[20];
    size_t size = (size_t)(write_decimal(digits, number) - digits);
    at = write_length(at, size);
    memcpy(at, digits, size);
    return write_end(at + size);
}

/* A word of a command, as `write_length` begins it: where it is, and the next one after it; NULL: there is none. */
INLINE const u8 *read_word(const u8 *at, const u8 *end, const u8 **word, u64 *size) {
    if (at == end || *at++ != '$') return NULL;
    for (*size = 0; at < end && *at >= '0' && *at <= '9' && *size < 1u << 30; at++) *size = 10 * *size + (*at - '0');
    if ((u64)(end - at) < *size + 4) return NULL;
    *word = at + 2;
    return *word + *size + 2;
}

#endif
