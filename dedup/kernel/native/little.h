/* Numbers as bytes, little-endian, whatever the processor. */
#ifndef DEDUP_LITTLE_H
#define DEDUP_LITTLE_H

#include "common.h"

/* Where the next byte goes. */
INLINE u8 *write_little(u8 *at, u64 value, int size) {
    for (int i = 0; i < size; i++) *at++ = (u8)(value >> (8 * i));
    return at;
}

INLINE u64 read_little(const u8 *at, int size) {
    u64 value = 0;
    for (int i = 0; i < size; i++) value |= (u64)at[i] << (8 * i);
    return value;
}

#endif
