/* Buckets of postings as they lie in a shared store: find_postings, append_postings and pack_words.
 *
 * A posting is 9 bytes: the low 40 bits of a key and an original's id, both little-endian.
 */
#ifndef DEDUP_BUCKETS_BINDING_H
#define DEDUP_BUCKETS_BINDING_H

#include "buffers.h"

enum { KEY_BYTES = 5, POSTING_BYTES = 9, IDS_PER_KEY = 4, WORD_ROOM = 45 };

static const u64 KEY_MASK = 0xFFFFFFFFFF;

static void write_little(u8 *at, u64 value, int size) {
    for (int i = 0; i < size; i++) at[i] = (u8)(value >> (8 * i));
}

/* The buckets lie back to back, each of whole postings; each posting is in one of them. */
static int check_buckets(const i64 *bounds, Py_ssize_t bounds_n, Py_ssize_t bytes, const i64 *places, Py_ssize_t n) {
    if (!check_bounds(bounds, bounds_n, bytes, "bounds")) return 0;
    for (Py_ssize_t i = 1; i < bounds_n; i++)
        if ((bounds[i] - bounds[i - 1]) % POSTING_BYTES) return wrong("a bucket");
    for (Py_ssize_t i = 0; i < n; i++)
        if (places[i] < 0 || places[i] >= bounds_n - 1) return wrong("a place");
    return 1;
}

/* Of each key the place of the last equal one before it, or -1. Keys are hashes, so they need no other. */
static int link_equal(const u64 *keys, Py_ssize_t n, i64 *earlier) {
    size_t slots = 16;
    while (slots < 2 * (size_t)n) slots *= 2;
    i64 *last = malloc(slots * sizeof(i64));
    if (!last) return 0;
    memset(last, 0xFF, slots * sizeof(i64));
    for (Py_ssize_t i = 0; i < n; i++) {
        u64 key = keys[i] & KEY_MASK;
        size_t slot = (size_t)(key ^ key >> 20) & (slots - 1);
        while (last[slot] >= 0 && (keys[last[slot]] & KEY_MASK) != key) slot = (slot + 1) & (slots - 1);
        earlier[i] = last[slot];
        last[slot] = i;
    }
    free(last);
    return 1;
}

static PyObject *kernel_find_postings(PyObject *Py_UNUSED(self), PyObject *args) {
    PyObject *o[7];
    buffers held = {.count = 0};
    if (!PyArg_ParseTuple(args, "OOOOOOO", o, o + 1, o + 2, o + 3, o + 4, o + 5, o + 6)) return NULL;
    TAKE(buckets, o[0], u8, 0);
    TAKE(bounds, o[1], i64, 0);
    TAKE(places, o[2], i64, 0);
    TAKE(keys, o[3], u64, 0);
    TAKE(counts, o[4], u8, 1);
    TAKE(ids, o[5], u32, 1);
    TAKE(earlier, o[6], i64, 1);
    REQUIRE(keys_n == places_n && counts_n == places_n && ids_n == IDS_PER_KEY * places_n && earlier_n == places_n,
            "an array of one row a posting");
    if (!check_buckets(bounds, bounds_n, buckets_n, places, places_n)) goto fail;
    int memory;
    Py_BEGIN_ALLOW_THREADS;
    memory = link_equal(keys, places_n, earlier);
    for (Py_ssize_t i = 0; i < places_n; i++) {
        u8 key[KEY_BYTES];
        write_little(key, keys[i], KEY_BYTES);
        counts[i] = 0;
        const u8 *stop = buckets + bounds[places[i] + 1];
        for (const u8 *at = buckets + bounds[places[i]]; at < stop && counts[i] < IDS_PER_KEY; at += POSTING_BYTES) {
            if (memcmp(at, key, KEY_BYTES)) continue;
            const u8 *id = at + KEY_BYTES;
            ids[IDS_PER_KEY * i + counts[i]++] = id[0] | (u32)id[1] << 8 | (u32)id[2] << 16 | (u32)id[3] << 24;
        }
    }
    Py_END_ALLOW_THREADS;
    release(&held);
    if (!memory) return PyErr_NoMemory();
    Py_RETURN_NONE;
fail:
    release(&held);
    return NULL;
}

static PyObject *kernel_append_postings(PyObject *Py_UNUSED(self), PyObject *args) {
    PyObject *o[7];
    buffers held = {.count = 0};
    if (!PyArg_ParseTuple(args, "OOOOOOO", o, o + 1, o + 2, o + 3, o + 4, o + 5, o + 6)) return NULL;
    TAKE(buckets, o[0], u8, 0);
    TAKE(bounds, o[1], i64, 0);
    TAKE(places, o[2], i64, 0);
    TAKE(keys, o[3], u64, 0);
    TAKE(ids, o[4], u32, 0);
    TAKE(out, o[5], u8, 1);
    TAKE(out_bounds, o[6], i64, 1);
    REQUIRE(keys_n == places_n && ids_n == places_n, "an array of one row a posting");
    if (!check_buckets(bounds, bounds_n, buckets_n, places, places_n)) goto fail;
    REQUIRE(out_bounds_n == bounds_n, "out_bounds");
    REQUIRE(out_n >= bounds[bounds_n - 1] - bounds[0] + POSTING_BYTES * places_n, "out");
    Py_BEGIN_ALLOW_THREADS;
    /* out_bounds[b] is first the size of bucket b - 1, then where bucket b starts, then where the next
     * posting of bucket b - 1 goes: at the end, where bucket b starts. */
    out_bounds[0] = 0;
    for (Py_ssize_t b = 1; b < bounds_n; b++) out_bounds[b] = bounds[b] - bounds[b - 1];
    for (Py_ssize_t i = 0; i < places_n; i++) out_bounds[places[i] + 1] += POSTING_BYTES;
    i64 start = 0;
    for (Py_ssize_t b = 1; b < bounds_n; b++) {
        i64 held_bytes = bounds[b] - bounds[b - 1], size = out_bounds[b];
        memcpy(out + start, buckets + bounds[b - 1], (size_t)held_bytes);
        out_bounds[b] = start + held_bytes;
        start += size;
    }
    for (Py_ssize_t i = 0; i < places_n; i++) {
        u8 *at = out + out_bounds[places[i] + 1];
        write_little(at, keys[i], KEY_BYTES);
        write_little(at + KEY_BYTES, ids[i], POSTING_BYTES - KEY_BYTES);
        out_bounds[places[i] + 1] += POSTING_BYTES;
    }
    Py_END_ALLOW_THREADS;
    release(&held);
    Py_RETURN_NONE;
fail:
    release(&held);
    return NULL;
}

static u8 *write_decimal(u8 *at, u64 value) {
    u8 digits[20];
    int n = 0;
    do digits[n++] = (u8)('0' + value % 10);
    while (value /= 10);
    while (n) *at++ = digits[--n];
    return at;
}

static u8 *write_length(u8 *at, u64 length) {
    *at++ = '$';
    at = write_decimal(at, length);
    *at++ = '\r';
    *at++ = '\n';
    return at;
}

static PyObject *kernel_pack_words(PyObject *Py_UNUSED(self), PyObject *args) {
    PyObject *o[4];
    buffers held = {.count = 0};
    if (!PyArg_ParseTuple(args, "OOOO", o, o + 1, o + 2, o + 3)) return NULL;
    TAKE(numbers, o[0], i64, 0);
    TAKE(values, o[1], u8, 0);
    TAKE(spans, o[2], i64, 0);
    TAKE(out, o[3], u8, 1);
    const int paired = spans_n > 0;
    REQUIRE(!paired || spans_n == 2 * numbers_n, "spans");
    if (!check_spans(spans, spans_n, values_n, "spans")) goto fail;
    i64 room = WORD_ROOM * (1 + paired) * numbers_n;
    for (Py_ssize_t i = 0; i < spans_n; i += 2) room += spans[i + 1] - spans[i];
    REQUIRE(out_n >= room, "out");
    for (Py_ssize_t i = 0; i < numbers_n; i++) REQUIRE(numbers[i] >= 0, "a number");
    u8 *at = out;
    Py_BEGIN_ALLOW_THREADS;
    for (Py_ssize_t i = 0; i < numbers_n; i++) {
        u8 digits[20];
        size_t size = (size_t)(write_decimal(digits, (u64)numbers[i]) - digits);
        at = write_length(at, size);
        memcpy(at, digits, size);
        at += size;
        *at++ = '\r';
        *at++ = '\n';
        if (!paired) continue;
        size = (size_t)(spans[2 * i + 1] - spans[2 * i]);
        at = write_length(at, size);
        memcpy(at, values + spans[2 * i], size);
        at += size;
        *at++ = '\r';
        *at++ = '\n';
    }
    Py_END_ALLOW_THREADS;
    release(&held);
    return PyLong_FromSsize_t(at - out);
fail:
    release(&held);
    return NULL;
}

#endif
