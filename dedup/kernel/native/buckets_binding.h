/* Buckets of postings as they lie in a shared store: locate_postings, find_postings, add_postings and
 * renew_buckets.
 *
 * A posting is 9 bytes: the low 40 bits of a key and an original's id, both little-endian.
 */
#ifndef DEDUP_BUCKETS_BINDING_H
#define DEDUP_BUCKETS_BINDING_H

#include "buffers.h"
#include "index.h"
#include "little.h"
#include "words.h"

enum { KEY_BYTES = 5, POSTING_BYTES = 9 };

static const u64 KEY_MASK = 0xFFFFFFFFFF;

/* The buckets lie back to back, each of whole postings; each posting is in one of them. */
static int check_buckets(const i64 *bounds, Py_ssize_t bounds_n, Py_ssize_t bytes, const i64 *places, Py_ssize_t n) {
    if (!check_bounds(bounds, bounds_n, bytes, "bounds")) return 0;
    for (Py_ssize_t i = 1; i < bounds_n; i++)
        if ((bounds[i] - bounds[i - 1]) % POSTING_BYTES) return wrong("a bucket");
    for (Py_ssize_t i = 0; i < n; i++)
        if (places[i] < 0 || places[i] >= bounds_n - 1) return wrong("a place");
    return 1;
}

/* A table for so many places, without any (-1), at most half full; NULL: there is no memory. */
static i64 *empty_table(size_t places, size_t *slots) {
    for (*slots = 16; *slots < 2 * places;) *slots *= 2;
    i64 *table = malloc(*slots * sizeof(i64));
    return table ? memset(table, 0xFF, *slots * sizeof(i64)) : NULL;
}

/* Of each key the place of the last equal one before it, or -1. Keys are hashes, so they need no other. */
static int link_equal(const u64 *keys, Py_ssize_t n, i64 *earlier) {
    size_t slots;
    i64 *last = empty_table((size_t)n, &slots);
    if (!last) return 0;
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

/* A slot of a table of numbers: that of this one, or the free one where it would be. */
static size_t slot_of(const i64 *table, const i64 *numbers, size_t slots, i64 number) {
    size_t slot = (size_t)((u64)number * 0x9E3779B97F4A7C15u >> 32) & (slots - 1);
    while (table[slot] >= 0 && numbers[table[slot]] != number) slot = (slot + 1) & (slots - 1);
    return slot;
}

static PyObject *kernel_locate_postings(PyObject *Py_UNUSED(self), PyObject *args) {
    PyObject *o[3];
    int bits;
    Py_ssize_t cursor, splits;
    buffers held = {.count = 0};
    if (!PyArg_ParseTuple(args, "OinnOO", o, &bits, &cursor, &splits, o + 1, o + 2)) return NULL;
    TAKE(keys, o[0], u64, 0);
    TAKE(numbers, o[1], i64, 1);
    TAKE(places, o[2], i64, 1);
    REQUIRE(bits >= 0 && bits < 32 && cursor >= 0 && cursor <= (i64)1 << bits, "a table");
    REQUIRE(splits >= 0 && splits <= ((i64)1 << bits) - cursor, "splits");
    REQUIRE(places_n == keys_n && numbers_n >= keys_n + splits, "an array of one row a posting");
    size_t slots;
    i64 *table = empty_table((size_t)(keys_n + splits), &slots);
    if (!table) {
        release(&held);
        return PyErr_NoMemory();
    }
    Py_ssize_t found = 0;
    Py_BEGIN_ALLOW_THREADS;
    const u64 low = ((u64)1 << bits) - 1, wide = ((u64)4 << bits) - 1;
    for (Py_ssize_t i = -splits; i < keys_n; i++) {
        u64 number = i < 0 ? (u64)(cursor + splits + i) : keys[i] & low & 0xFFFFFFFF;
        if (i >= 0 && number < (u64)cursor) number = keys[i] & wide & 0xFFFFFFFF;
        size_t slot = slot_of(table, numbers, slots, (i64)number);
        if (table[slot] < 0) {
            table[slot] = found;
            numbers[found++] = (i64)number;
        }
        if (i >= 0) places[i] = table[slot];
    }
    Py_END_ALLOW_THREADS;
    free(table);
    release(&held);
    return PyLong_FromSsize_t(found);
fail:
    release(&held);
    return NULL;
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
    REQUIRE(keys_n == places_n && counts_n == places_n && ids_n == POSTINGS_PER_KEY * places_n && earlier_n == places_n,
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
        for (const u8 *at = buckets + bounds[places[i]]; at < stop; at += POSTING_BYTES) {
            if (counts[i] == POSTINGS_PER_KEY) break;
            if (memcmp(at, key, KEY_BYTES)) continue;
            ids[POSTINGS_PER_KEY * i + counts[i]++] = (u32)read_little(at + KEY_BYTES, POSTING_BYTES - KEY_BYTES);
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

/* The postings of one bucket: those that it had, and, in a list, those that come to it. */
typedef struct {
    const u8 *held, *end;
    i64 first;
    const i64 *next;
    const u64 *keys;
    const u32 *ids;
} full_bucket;

/* Those of them whose keys have `bits` where there is a `mask`: how many bytes; written where there is an `at`. */
static i64 write_postings(u8 *at, const full_bucket *b, u64 mask, u64 bits) {
    i64 size = 0;
    for (const u8 *p = b->held; p < b->end; p += POSTING_BYTES) {
        if ((read_little(p, KEY_BYTES) & mask) != bits) continue;
        if (at) memcpy(at + size, p, POSTING_BYTES);
        size += POSTING_BYTES;
    }
    for (i64 i = b->first; i >= 0; i = b->next[i]) {
        if ((b->keys[i] & mask) != bits) continue;
        if (at) write_little(write_little(at + size, b->keys[i], KEY_BYTES), b->ids[i], POSTING_BYTES - KEY_BYTES);
        size += POSTING_BYTES;
    }
    return size;
}

static PyObject *kernel_add_postings(PyObject *Py_UNUSED(self), PyObject *args) {
    PyObject *o[8];
    int bits;
    Py_ssize_t splits;
    buffers held = {.count = 0};
    if (!PyArg_ParseTuple(args, "OOOOOOinOO", o, o + 1, o + 2, o + 3, o + 4, o + 5, &bits, &splits, o + 6, o + 7))
        return NULL;
    i64 *first = NULL;
    TAKE(numbers, o[0], i64, 0);
    TAKE(buckets, o[1], u8, 0);
    TAKE(bounds, o[2], i64, 0);
    TAKE(places, o[3], i64, 0);
    TAKE(keys, o[4], u64, 0);
    TAKE(ids, o[5], u32, 0);
    TAKE(out, o[6], u8, 1);
    TAKE(removed, o[7], i64, 1);
    REQUIRE(keys_n == places_n && ids_n == places_n, "an array of one row a posting");
    if (!check_buckets(bounds, bounds_n, buckets_n, places, places_n)) goto fail;
    REQUIRE(numbers_n == bounds_n - 1, "numbers");
    REQUIRE(splits >= 0 && splits <= numbers_n && removed_n >= splits && bits >= 0 && bits < 38, "splits");
    REQUIRE(out_n >= buckets_n + POSTING_BYTES * places_n + 2 * WORD_ROOM * (numbers_n + 3 * splits), "out");
    for (Py_ssize_t b = 0; b < numbers_n; b++) REQUIRE(numbers[b] >= 0, "a number");
    if (!(first = malloc((size_t)(numbers_n + places_n + 1) * sizeof(i64)))) {
        release(&held);
        return PyErr_NoMemory();
    }
    u8 *at = out;
    Py_ssize_t written = 0, gone = 0;
    Py_BEGIN_ALLOW_THREADS;
    i64 *next = first + numbers_n;
    for (Py_ssize_t b = 0; b < numbers_n; b++) first[b] = -1;
    for (Py_ssize_t i = places_n - 1; i >= 0; i--) { /* backwards, so that the lists go forwards */
        next[i] = first[places[i]];
        first[places[i]] = i;
    }
    for (Py_ssize_t b = 0; b < numbers_n; b++) {
        full_bucket bucket = {buckets + bounds[b], buckets + bounds[b + 1], first[b], next, keys, ids};
        if (b >= splits && first[b] < 0) continue;
        u64 parts = b < splits ? 4 : 1, mask = (parts - 1) << bits;
        for (u64 part = 0; part < parts; part++) {
            i64 size = write_postings(NULL, &bucket, mask, part << bits);
            if (size) {
                at = write_length(write_number(at, (u64)numbers[b] + (part << bits)), (u64)size);
                at = write_end(at + write_postings(at, &bucket, mask, part << bits));
                written++;
            } else if (!part && bucket.held < bucket.end) {
                removed[gone++] = numbers[b];
            }
        }
    }
    Py_END_ALLOW_THREADS;
    free(first);
    release(&held);
    return Py_BuildValue("nnn", (Py_ssize_t)(at - out), written, gone);
fail:
    free(first);
    release(&held);
    return NULL;
}

typedef struct {
    const u8 *value;
    size_t size;
} bucket_value;

static PyObject *kernel_renew_buckets(PyObject *Py_UNUSED(self), PyObject *args) {
    PyObject *o[7];
    Py_ssize_t first, splits;
    buffers held = {.count = 0};
    if (!PyArg_ParseTuple(args, "OOOOOnnOO", o, o + 1, o + 2, o + 3, o + 4, &first, &splits, o + 5, o + 6)) return NULL;
    i64 *table = NULL;
    bucket_value *found = NULL;
    TAKE(numbers, o[0], i64, 0);
    TAKE(buckets, o[1], u8, 0);
    TAKE(bounds, o[2], i64, 0);
    TAKE(written, o[3], u8, 0);
    TAKE(wanted, o[4], i64, 0);
    TAKE(out, o[5], u8, 1);
    TAKE(out_bounds, o[6], i64, 1);
    if (!check_bounds(bounds, bounds_n, buckets_n, "bounds")) goto fail;
    REQUIRE(numbers_n == bounds_n - 1, "numbers");
    REQUIRE(out_bounds_n == wanted_n + 1 && out_n >= buckets_n + written_n, "out");
    size_t slots;
    table = empty_table((size_t)wanted_n, &slots);
    found = calloc((size_t)wanted_n + 1, sizeof(bucket_value));
    if (!table || !found) {
        PyErr_NoMemory();
        goto fail;
    }
    for (Py_ssize_t i = 0; i < wanted_n; i++) table[slot_of(table, wanted, slots, wanted[i])] = i;
    for (Py_ssize_t b = 0; b < numbers_n; b++) {
        i64 place = table[slot_of(table, wanted, slots, numbers[b])];
        if (place < 0 || (numbers[b] >= first && numbers[b] < first + splits)) continue;
        found[place] = (bucket_value){buckets + bounds[b], (size_t)(bounds[b + 1] - bounds[b])};
    }
    for (const u8 *at = written, *end = written + written_n; at < end;) {
        const u8 *digits, *value;
        u64 count, size;
        if ((at = read_word(at, end, &digits, &count))) at = read_word(at, end, &value, &size);
        REQUIRE(at, "a word");
        i64 number = 0;
        for (u64 i = 0; i < count && i < 18; i++) number = 10 * number + (digits[i] - '0');
        i64 place = table[slot_of(table, wanted, slots, number)];
        if (place >= 0) found[place] = (bucket_value){value, size};
    }
    out_bounds[0] = 0;
    for (Py_ssize_t i = 0; i < wanted_n; i++) {
        if (found[i].size) memcpy(out + out_bounds[i], found[i].value, found[i].size);
        out_bounds[i + 1] = out_bounds[i] + (i64)found[i].size;
    }
    free(table);
    free(found);
    release(&held);
    Py_RETURN_NONE;
fail:
    free(table);
    free(found);
    release(&held);
    return NULL;
}

#endif
