/* XXH3 (64 and 128 bits) and XXH32, seed 0, default secret: the hashes of tokens, of normalised
 * texts and of MinHash shingles.
 *
 * Written from the xxHash specification (Yann Collet and Adrien Wu, xxhash_spec.md, version 0.2.0);
 * the tests hold it against the xxhash package for every length from 0 to some thousands.
 */
#ifndef DEDUP_XXHASH_H
#define DEDUP_XXHASH_H

#include "common.h"

#define P32_1 0x9E3779B1u
#define P32_2 0x85EBCA77u
#define P32_3 0xC2B2AE3Du
#define P32_4 0x27D4EB2Fu
#define P32_5 0x165667B1u
#define P64_1 0x9E3779B185EBCA87ull
#define P64_2 0xC2B2AE3D27D4EB4Full
#define P64_3 0x165667B19E3779F9ull
#define P64_4 0x85EBCA77C2B2AE63ull
#define P64_5 0x27D4EB2F165667C5ull
#define PMX_1 0x165667919E3779F9ull
#define PMX_2 0x9FB21C651E98DF25ull

enum { SECRET_SIZE = 192, STRIPE = 64, BLOCK_STRIPES = 16, XXH_BLOCK = 1024 };

/* The specification's default secret, padded so that any 64-byte window that it names can be read. */
static const u8 SECRET[SECRET_SIZE] = {
    0xb8, 0xfe, 0x6c, 0x39, 0x23, 0xa4, 0x4b, 0xbe, 0x7c, 0x01, 0x81, 0x2c, 0xf7, 0x21, 0xad, 0x1c,
    0xde, 0xd4, 0x6d, 0xe9, 0x83, 0x90, 0x97, 0xdb, 0x72, 0x40, 0xa4, 0xa4, 0xb7, 0xb3, 0x67, 0x1f,
    0xcb, 0x79, 0xe6, 0x4e, 0xcc, 0xc0, 0xe5, 0x78, 0x82, 0x5a, 0xd0, 0x7d, 0xcc, 0xff, 0x72, 0x21,
    0xb8, 0x08, 0x46, 0x74, 0xf7, 0x43, 0x24, 0x8e, 0xe0, 0x35, 0x90, 0xe6, 0x81, 0x3a, 0x26, 0x4c,
    0x3c, 0x28, 0x52, 0xbb, 0x91, 0xc3, 0x00, 0xcb, 0x88, 0xd0, 0x65, 0x8b, 0x1b, 0x53, 0x2e, 0xa3,
    0x71, 0x64, 0x48, 0x97, 0xa2, 0x0d, 0xf9, 0x4e, 0x38, 0x19, 0xef, 0x46, 0xa9, 0xde, 0xac, 0xd8,
    0xa8, 0xfa, 0x76, 0x3f, 0xe3, 0x9c, 0x34, 0x3f, 0xf9, 0xdc, 0xbb, 0xc7, 0xc7, 0x0b, 0x4f, 0x1d,
    0x8a, 0x51, 0xe0, 0x4b, 0xcd, 0xb4, 0x59, 0x31, 0xc8, 0x9f, 0x7e, 0xc9, 0xd9, 0x78, 0x73, 0x64,
    0xea, 0xc5, 0xac, 0x83, 0x34, 0xd3, 0xeb, 0xc3, 0xc5, 0x81, 0xa0, 0xff, 0xfa, 0x13, 0x63, 0xeb,
    0x17, 0x0d, 0xdd, 0x51, 0xb7, 0xf0, 0xda, 0x49, 0xd3, 0x16, 0x55, 0x26, 0x29, 0xd4, 0x68, 0x9e,
    0x2b, 0x16, 0xbe, 0x58, 0x7d, 0x47, 0xa1, 0xfc, 0x8f, 0xf8, 0xb8, 0xd1, 0x7a, 0xd0, 0x31, 0xce,
    0x45, 0xcb, 0x3a, 0x8f, 0x95, 0x16, 0x04, 0x28, 0xaf, 0xd7, 0xfb, 0xca, 0xbb, 0x4b, 0x40, 0x7e,
};

typedef struct {
    u64 low, high;
} hash128;

INLINE u64 avalanche_xxh3(u64 x) {
    x ^= x >> 37;
    x *= PMX_1;
    return x ^ (x >> 32);
}

INLINE u64 avalanche_xxh64(u64 x) {
    x ^= x >> 33;
    x *= P64_2;
    x ^= x >> 29;
    x *= P64_3;
    return x ^ (x >> 32);
}

INLINE u64 multiply_fold(u64 a, u64 b) {
    u64 high, low = multiply_wide(a, b, &high);
    return low ^ high;
}

/* 16 bytes of data mixed with 16 bytes of the secret (seed added to one half, taken from the other). */
INLINE u64 mix_step(const u8 *data, size_t secret, u64 seed) {
    return multiply_fold(load64(data) ^ (load64(SECRET + secret) + seed),
                         load64(data + 8) ^ (load64(SECRET + secret + 8) - seed));
}

/* The first, a middle and the last byte of 1 to 3 bytes, and their number, in one word. */
INLINE u32 combine_1to3(const u8 *p, size_t n) {
    return (u32)p[n - 1] | ((u32)n << 8) | ((u32)p[0] << 16) | ((u32)p[n >> 1] << 24);
}

/* ---- more than 240 bytes: eight lanes over 64-byte stripes ---------------------------------- */

INLINE void accumulate(u64 *acc, const u8 *stripe, size_t secret) {
    u64 data[8], value[8];
    for (int i = 0; i < 8; i++) {
        data[i] = load64(stripe + 8 * i);
        value[i] = data[i] ^ load64(SECRET + secret + 8 * i);
    }
    for (int i = 0; i < 8; i++) acc[i] += data[i ^ 1] + (value[i] & 0xFFFFFFFFu) * (value[i] >> 32);
}

INLINE void accumulate_large(u64 *acc, const u8 *p, size_t n) {
    size_t blocks = (n - 1) / XXH_BLOCK;
    for (size_t b = 0; b < blocks; b++, p += XXH_BLOCK) {
        for (size_t s = 0; s < BLOCK_STRIPES; s++) accumulate(acc, p + s * STRIPE, s * 8);
        for (int i = 0; i < 8; i++) {
            acc[i] = (acc[i] ^ (acc[i] >> 47)) ^ load64(SECRET + SECRET_SIZE - STRIPE + 8 * i);
            acc[i] *= P32_1;
        }
    }
    size_t left = n - blocks * XXH_BLOCK;
    for (size_t s = 0; s < (left - 1) / STRIPE; s++) accumulate(acc, p + s * STRIPE, s * 8);
    accumulate(acc, p + left - STRIPE, SECRET_SIZE - 71);
}

NOINLINE void accumulate_base(u64 *acc, const u8 *p, size_t n) { accumulate_large(acc, p, n); }
#if DEDUP_X86
TARGET_AVX2 NOINLINE void accumulate_avx2(u64 *acc, const u8 *p, size_t n) {
    accumulate_large(acc, p, n);
}
#endif

INLINE u64 merge_lanes(const u64 *acc, size_t secret, u64 result) {
    for (int i = 0; i < 8; i += 2)
        result += multiply_fold(acc[i] ^ load64(SECRET + secret + 8 * i),
                                acc[i + 1] ^ load64(SECRET + secret + 8 * i + 8));
    return avalanche_xxh3(result);
}

static hash128 xxh3_large(const u8 *p, size_t n) {
    u64 acc[8] = {P32_3, P64_1, P64_2, P64_3, P64_4, P32_2, P64_5, P32_1};
#if DEDUP_X86
    if (kernel_level >= LEVEL_AVX2)
        accumulate_avx2(acc, p, n);
    else
#endif
        accumulate_base(acc, p, n);
    hash128 result = {merge_lanes(acc, 11, (u64)n * P64_1),
                      merge_lanes(acc, SECRET_SIZE - 75, ~((u64)n * P64_2))};
    return result;
}

/* ---- XXH3, 64 bits, from 17 bytes on ---------------------------------------------------------- */

NOINLINE u64 xxh3_64_long(const u8 *p, size_t n) {
    if (n > 240) return xxh3_large(p, n).low;
    u64 acc = (u64)n * P64_1;
    if (n <= 128) {
        for (size_t i = ((n - 1) >> 5) + 1; i-- > 0;) {
            acc += mix_step(p + 16 * i, 32 * i, 0);
            acc += mix_step(p + n - 16 * i - 16, 32 * i + 16, 0);
        }
        return avalanche_xxh3(acc);
    }
    for (size_t i = 0; i < 8; i++) acc += mix_step(p + 16 * i, 16 * i, 0);
    acc = avalanche_xxh3(acc);
    for (size_t i = 8; i < n >> 4; i++) acc += mix_step(p + 16 * i, 16 * (i - 8) + 3, 0);
    return avalanche_xxh3(acc + mix_step(p + n - 16, 119, 0));
}

/* ---- XXH3, 128 bits -------------------------------------------------------------------------- */

INLINE void mix_two(u64 *acc, const u8 *first, const u8 *second, size_t secret, u64 seed) {
    acc[0] += mix_step(first, secret, seed);
    acc[1] += mix_step(second, secret + 16, seed);
    acc[0] ^= load64(second) + load64(second + 8);
    acc[1] ^= load64(first) + load64(first + 8);
}

static hash128 xxh3_128_medium(const u8 *p, size_t n) {
    u64 acc[2] = {(u64)n * P64_1, 0};
    if (n <= 128) {
        for (size_t i = ((n - 1) >> 5) + 1; i-- > 0;)
            mix_two(acc, p + 16 * i, p + n - 16 * i - 16, 32 * i, 0);
    } else {
        for (size_t i = 0; i < 4; i++) mix_two(acc, p + 32 * i, p + 32 * i + 16, 32 * i, 0);
        acc[0] = avalanche_xxh3(acc[0]);
        acc[1] = avalanche_xxh3(acc[1]);
        for (size_t i = 4; i < n >> 5; i++)
            mix_two(acc, p + 32 * i, p + 32 * i + 16, 32 * (i - 4) + 3, 0);
        mix_two(acc, p + n - 16, p + n - 32, 103, 0);
    }
    u64 high = acc[0] * P64_1 + acc[1] * P64_4 + (u64)n * P64_2;
    hash128 result = {avalanche_xxh3(acc[0] + acc[1]), 0 - avalanche_xxh3(high)};
    return result;
}

static hash128 xxh3_128_small(const u8 *p, size_t n) {
    hash128 result;
    if (n > 8) {
        u64 first = load64(p), last = load64(p + n - 8), low, high, carry;
        u64 a = (load64(SECRET + 32) ^ load64(SECRET + 40)) ^ first ^ last;
        u64 b = (load64(SECRET + 48) ^ load64(SECRET + 56)) ^ last;
        low = multiply_wide(a, P64_1, &high) + ((u64)(n - 1) << 54);
        high += b + (b & 0xFFFFFFFFu) * (u64)(P32_2 - 1);
        low = multiply_wide(low ^ swap64(high), P64_2, &carry);
        result.low = avalanche_xxh3(low);
        result.high = avalanche_xxh3(carry + high * P64_2);
    } else if (n > 3) {
        u64 high, low, x = (u64)load32(p) | ((u64)load32(p + n - 4) << 32);
        x ^= load64(SECRET + 16) ^ load64(SECRET + 24);
        low = multiply_wide(x, P64_1 + ((u64)n << 2), &high);
        high += low << 1;
        low ^= high >> 3;
        low ^= low >> 35;
        low *= PMX_2;
        result.low = low ^ (low >> 28);
        result.high = avalanche_xxh3(high);
    } else if (n > 0) {
        u32 x = combine_1to3(p, n);
        result.low = avalanche_xxh64((u64)(load32(SECRET) ^ load32(SECRET + 4)) ^ x);
        result.high = avalanche_xxh64((u64)(load32(SECRET + 8) ^ load32(SECRET + 12)) ^
                                      rotate32(swap32(x), 13));
    } else {
        result.low = avalanche_xxh64(load64(SECRET + 64) ^ load64(SECRET + 72));
        result.high = avalanche_xxh64(load64(SECRET + 80) ^ load64(SECRET + 88));
    }
    return result;
}

static hash128 xxh3_128(const u8 *p, size_t n) {
    if (n > 240) return xxh3_large(p, n);
    return n > 16 ? xxh3_128_medium(p, n) : xxh3_128_small(p, n);
}

/* ---- XXH32 ----------------------------------------------------------------------------------- */

INLINE u32 xxh32(const u8 *p, size_t n) {
    const u8 *end = p + n;
    u32 h;
    if (n >= 16) {
        u32 a = P32_1 + P32_2, b = P32_2, c = 0, d = 0 - P32_1;
        do {
            a = rotate32(a + load32(p) * P32_2, 13) * P32_1;
            b = rotate32(b + load32(p + 4) * P32_2, 13) * P32_1;
            c = rotate32(c + load32(p + 8) * P32_2, 13) * P32_1;
            d = rotate32(d + load32(p + 12) * P32_2, 13) * P32_1;
            p += 16;
        } while (end - p >= 16);
        h = rotate32(a, 1) + rotate32(b, 7) + rotate32(c, 12) + rotate32(d, 18);
    } else {
        h = P32_5;
    }
    h += (u32)n;
    for (; end - p >= 4; p += 4) h = rotate32(h + load32(p) * P32_3, 17) * P32_4;
    for (; p < end; p++) h = rotate32(h + *p * P32_5, 11) * P32_1;
    h ^= h >> 15;
    h *= P32_2;
    h ^= h >> 13;
    h *= P32_3;
    return h ^ (h >> 16);
}

#endif
