/* What every part of the kernel shares: integer names, unaligned little-endian loads, and the copies
 * of hot loops for newer processors.
 *
 * The kernel is arrays in, arrays out. It holds no policy, allocates scratch only, and nothing here
 * or in the headers beside it but module.c and the *_binding.h files knows of Python.
 */
#ifndef DEDUP_COMMON_H
#define DEDUP_COMMON_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t i64;

#if defined(__GNUC__) || defined(__clang__)
#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define PREFETCH(address) __builtin_prefetch(address)
#define INLINE static inline __attribute__((always_inline))
#define NOINLINE static __attribute__((noinline))
#else
#define LIKELY(x) (x)
#define UNLIKELY(x) (x)
#define PREFETCH(address) ((void)(address))
#define INLINE static __forceinline
#define NOINLINE static __declspec(noinline)
#include <intrin.h>
#endif

/* Copies of a loop for AVX2 and AVX-512, chosen at run time by the processor. Not target_clones:
 * its ifunc resolvers break on musl. The loops are plain C that the compiler vectorises. */
#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define DEDUP_X86 1
#include <immintrin.h>
#define TARGET_AVX2 __attribute__((target("avx2")))
#define TARGET_AVX512                                                                              \
    __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,prefer-vector-width=512")))
#else
#define DEDUP_X86 0
#endif

enum { LEVEL_BASE = 0, LEVEL_AVX2 = 1, LEVEL_AVX512 = 2 };

static int kernel_level = LEVEL_BASE;

static void kernel_detect(void) {
#if DEDUP_X86
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2")) kernel_level = LEVEL_AVX2;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
        kernel_level = LEVEL_AVX512;
#endif
}

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define LITTLE32(x) __builtin_bswap32(x)
#define LITTLE64(x) __builtin_bswap64(x)
#else
#define LITTLE32(x) (x)
#define LITTLE64(x) (x)
#endif

INLINE u32 load32(const u8 *p) {
    u32 x;
    memcpy(&x, p, 4);
    return LITTLE32(x);
}

INLINE u64 load64(const u8 *p) {
    u64 x;
    memcpy(&x, p, 8);
    return LITTLE64(x);
}

INLINE u32 swap32(u32 x) {
    return (x << 24) | ((x & 0xFF00u) << 8) | ((x >> 8) & 0xFF00u) | (x >> 24);
}

INLINE u64 swap64(u64 x) {
    return ((u64)swap32((u32)x) << 32) | swap32((u32)(x >> 32));
}

INLINE u32 rotate32(u32 x, int bits) { return (x << bits) | (x >> (32 - bits)); }

INLINE u64 rotate64(u64 x, int bits) { return (x << bits) | (x >> (64 - bits)); }

INLINE int trailing_zeros(u64 x) {
#if defined(__GNUC__) || defined(__clang__)
    return __builtin_ctzll(x);
#else
    unsigned long index;
    _BitScanForward64(&index, x);
    return (int)index;
#endif
}

INLINE int count_bits(u64 x) {
#if defined(__GNUC__) || defined(__clang__)
    return __builtin_popcountll(x);
#else
    return (int)__popcnt64(x);
#endif
}

/* The two halves of a 64 x 64 -> 128 bit product. */
INLINE u64 multiply_wide(u64 a, u64 b, u64 *high) {
#if defined(__SIZEOF_INT128__)
    unsigned __int128 product = (unsigned __int128)a * b;
    *high = (u64)(product >> 64);
    return (u64)product;
#else
    return _umul128(a, b, high);
#endif
}

#endif
