/* k-permutation MinHash of word shingles (Broder et al. 1998), as datasketch's `affine32` scheme
 * computes it: of each shingle's XXH32, mixed by MurmurHash3's 32-bit finaliser, the minimum of
 * a * h + b (mod 2^32) for every permutation (a, b).
 */
#ifndef DEDUP_MINHASH_H
#define DEDUP_MINHASH_H

#include "common.h"

INLINE u32 mix32(u32 h) {
    h ^= h >> 16;
    h *= 0x85EBCA6Bu;
    h ^= h >> 13;
    h *= 0xC2B2AE35u;
    return h ^ (h >> 16);
}

/* Blocks of 64 permutations whose minima stay in registers while the shingles go by. */
INLINE void permute_loop(const u32 *hashes, size_t n, const u32 *a, const u32 *b, u32 *minima, size_t k) {
    size_t first = 0;
    for (; first + 64 <= k; first += 64) {
        u32 best[64], x[64], y[64];
        memcpy(best, minima + first, sizeof best);
        memcpy(x, a + first, sizeof x);
        memcpy(y, b + first, sizeof y);
        for (size_t i = 0; i < n; i++) {
            u32 h = hashes[i];
            for (int j = 0; j < 64; j++) {
                u32 value = h * x[j] + y[j];
                best[j] = value < best[j] ? value : best[j];
            }
        }
        memcpy(minima + first, best, sizeof best);
    }
    for (; first < k; first++) {
        u32 best = minima[first];
        for (size_t i = 0; i < n; i++) {
            u32 value = hashes[i] * a[first] + b[first];
            best = value < best ? value : best;
        }
        minima[first] = best;
    }
}

#define PERMUTE_PARAMETERS                                                                         \
    const u32 *hashes, size_t n, const u32 *a, const u32 *b, u32 *minima, size_t k
NOINLINE void permute_base(PERMUTE_PARAMETERS) { permute_loop(hashes, n, a, b, minima, k); }
#if DEDUP_X86
TARGET_AVX2 NOINLINE void permute_avx2(PERMUTE_PARAMETERS) { permute_loop(hashes, n, a, b, minima, k); }
TARGET_AVX512 NOINLINE void permute_avx512(PERMUTE_PARAMETERS) {
    permute_loop(hashes, n, a, b, minima, k);
}
#endif

INLINE void permute(PERMUTE_PARAMETERS) {
#if DEDUP_X86
    if (kernel_level >= LEVEL_AVX512) {
        permute_avx512(hashes, n, a, b, minima, k);
        return;
    }
    if (kernel_level >= LEVEL_AVX2) {
        permute_avx2(hashes, n, a, b, minima, k);
        return;
    }
#endif
    permute_base(hashes, n, a, b, minima, k);
}

#endif
