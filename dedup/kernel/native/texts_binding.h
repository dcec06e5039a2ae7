/* normalise, sketch, trace_keys and minhash as Python calls them. */
#ifndef DEDUP_TEXTS_BINDING_H
#define DEDUP_TEXTS_BINDING_H

#include "buffers.h"
#include "minhash.h"
#include "sketch.h"

/* What every function over texts starts with: the buffer, the spans, the Unicode table. */
typedef struct {
    const u8 *buffer;
    const i64 *starts, *ends;
    Py_ssize_t count;
    int folded;
    unicode_table table;
} texts;

static int take_texts(buffers *b, texts *t, PyObject *buffer, PyObject *starts, PyObject *ends, int folded,
                      PyObject *tables) {
    Py_ssize_t size, ends_n, unused;
    PyObject *index, *entries, *expansions, *pairs;
    if (!PyArg_ParseTuple(tables, "OOOO", &index, &entries, &expansions, &pairs)) return 0;
    t->folded = folded;
    if (!(t->buffer = take(b, buffer, 1, 0, &size))) return 0;
    if (!(t->starts = take(b, starts, 8, 0, &t->count))) return 0;
    if (!(t->ends = take(b, ends, 8, 0, &ends_n))) return 0;
    if (!(t->table.index = take(b, index, 2, 0, &unused))) return 0;
    if (unused != 0x110000 / 128) return wrong("the Unicode index");
    if (!(t->table.entries = take(b, entries, 4, 0, &unused))) return 0;
    if (!(t->table.expansions = take(b, expansions, 4, 0, &unused))) return 0;
    if (!(t->table.pairs = take(b, pairs, 8, 0, &unused))) return 0;
    t->table.pair_count = (size_t)unused;
    if (ends_n != t->count) return wrong("ends");
    for (Py_ssize_t i = 0; i < t->count; i++) {
        if (t->starts[i] < 0 || t->ends[i] < t->starts[i] || t->ends[i] > size) return wrong("a span");
        if (t->ends[i] - t->starts[i] > (1 << 30)) return wrong("a block of more than 1 GiB");
    }
    return 1;
}

static int check_scheme(const i64 *scheme, Py_ssize_t n) {
    if (n != 10 || scheme[9] < 1) return wrong("scheme");
    if (scheme[0] > 8 * MAX_WINDOW / 2 || scheme[4] > 8 * MAX_WINDOW / 2) return wrong("scheme");
    const i64 counts[] = {scheme[1], scheme[2], scheme[3], scheme[6], scheme[7], scheme[8]};
    for (int i = 0; i < 6; i++)
        if (counts[i] < 0 || counts[i] > MAX_STRATUM) return wrong("scheme");
    return scheme[7] <= scheme[2] + scheme[3] ? 1 : wrong("scheme");
}

/* The numbers by their names. */
static key_scheme scheme_of(const i64 *s) {
    return (key_scheme){s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7], s[8], s[9]};
}

static PyObject *kernel_sketch(PyObject *Py_UNUSED(self), PyObject *args) {
    PyObject *o[11];
    int folded;
    buffers held = {.count = 0};
    texts t;
    if (!PyArg_ParseTuple(args, "OOOiOOOOOOOO", o, o + 1, o + 2, &folded, o + 3, o + 4, o + 5, o + 6, o + 7,
                          o + 8, o + 9, o + 10))
        return NULL;
    if (!take_texts(&held, &t, o[0], o[1], o[2], folded, o[3])) goto fail;
    TAKE(scheme, o[4], i64, 0);
    TAKE(fingerprints, o[5], u64, 1);
    TAKE(trace_spans, o[6], i64, 1);
    TAKE(traces, o[7], u16, 1);
    TAKE(key_spans, o[8], i64, 1);
    TAKE(keys, o[9], u64, 1);
    TAKE(hard, o[10], u8, 1);
    i64 bytes = 0, hard_count = 0;
    for (Py_ssize_t i = 0; i < t.count; i++) bytes += t.ends[i] - t.starts[i] + 1;
    if (!check_scheme(scheme, scheme_n)) goto fail;
    REQUIRE(fingerprints_n == 2 * t.count && hard_n == t.count, "an output of one row a block");
    REQUIRE(trace_spans_n == 2 * t.count && key_spans_n == 2 * t.count, "spans");
    REQUIRE(traces_n >= bytes, "traces");
    REQUIRE(keys_n >= t.count * (scheme[2] + scheme[3] + scheme[6]), "keys");
    int memory = 1;
    Py_BEGIN_ALLOW_THREADS;
    token_scratch tokens = {NULL, 0, NULL, NULL};
    sketch_scratch sketch;
    const key_scheme strata = scheme_of(scheme);
    init_sketch_scratch(&sketch);
    i64 trace_at = 0, key_at = 0;
    for (Py_ssize_t i = 0; i < t.count; i++) {
        size_t size = (size_t)(t.ends[i] - t.starts[i]);
        u16 *trace = traces + trace_at;
        if (!reserve_scratch(&tokens, size)) {
            memory = 0;
            break;
        }
        tokenised done = tokenise(&t.table, t.buffer + t.starts[i], size, t.folded, &tokens, trace, NULL);
        hash128 fingerprint = xxh3_128(tokens.normalised, done.bytes);
        if (!done.hard)
            done.tokens = end_trace(&t.table, t.buffer + t.starts[i], size, t.folded, &tokens, trace, done.tokens);
        if (!reserve_sketch(&sketch, done.tokens)) {
            memory = 0;
            break;
        }
        hard[i] = (u8)done.hard;
        hard_count += done.hard;
        fingerprints[2 * i] = fingerprint.low;
        fingerprints[2 * i + 1] = fingerprint.high;
        trace_spans[2 * i] = trace_at;
        trace_spans[2 * i + 1] = trace_at += (i64)done.tokens;
        key_spans[2 * i] = key_at;
        key_spans[2 * i + 1] = key_at += (i64)trace_keys(&sketch, &strata, trace, done.tokens, keys + key_at);
    }
    free(tokens.memory);
    free(sketch.memory);
    Py_END_ALLOW_THREADS;
    release(&held);
    return memory ? PyLong_FromLongLong(hard_count) : PyErr_NoMemory();
fail:
    release(&held);
    return NULL;
}

static PyObject *kernel_normalise(PyObject *Py_UNUSED(self), PyObject *args) {
    PyObject *o[7];
    int folded;
    buffers held = {.count = 0};
    texts t;
    if (!PyArg_ParseTuple(args, "OOOiOOOO", o, o + 1, o + 2, &folded, o + 3, o + 4, o + 5, o + 6)) return NULL;
    if (!take_texts(&held, &t, o[0], o[1], o[2], folded, o[3])) goto fail;
    TAKE(out, o[4], u8, 1);
    TAKE(bounds, o[5], i64, 1);
    TAKE(hard, o[6], u8, 1);
    i64 bytes = 0, hard_count = 0;
    for (Py_ssize_t i = 0; i < t.count; i++) bytes += FOLDED_RATIO * (t.ends[i] - t.starts[i]);
    REQUIRE(bounds_n == t.count + 1 && hard_n == t.count, "an output of one row a block");
    REQUIRE(out_n >= bytes, "out");
    int memory = 1;
    Py_BEGIN_ALLOW_THREADS;
    token_scratch tokens = {NULL, 0, NULL, NULL};
    bounds[0] = 0;
    for (Py_ssize_t i = 0; i < t.count; i++) {
        size_t size = (size_t)(t.ends[i] - t.starts[i]);
        if (!reserve_scratch(&tokens, size)) {
            memory = 0;
            break;
        }
        tokenised done = tokenise(&t.table, t.buffer + t.starts[i], size, t.folded, &tokens, NULL, NULL);
        memcpy(out + bounds[i], tokens.normalised, done.bytes);
        bounds[i + 1] = bounds[i] + (i64)done.bytes;
        hard[i] = (u8)done.hard;
        hard_count += done.hard;
    }
    free(tokens.memory);
    Py_END_ALLOW_THREADS;
    release(&held);
    return memory ? PyLong_FromLongLong(hard_count) : PyErr_NoMemory();
fail:
    release(&held);
    return NULL;
}

/* Mixed hashes of the shingles of `width` tokens of a block, the pads ^ and $ included if `padded`; one
 * of all tokens where there are fewer, none where there are none. `ends` has the tokens' ends from its
 * second place on, and room for one more. Returns how many. */
INLINE size_t hash_shingles(token_scratch *s, const tokenised *done, size_t width, int padded, u32 *ends,
                            u32 *hashes) {
    u8 *text = s->normalised;
    size_t symbols = done->tokens;
    if (!symbols) return 0;
    if (padded) { /* what was folded is of no more use, so there is room on either side */
        text -= 2;
        memcpy(text, "^ ", 2);
        memcpy(text + 2 + done->bytes, " $", 2);
        ends[0] = 1;
        for (size_t i = 1; i <= symbols; i++) ends[i] += 2;
        ends[symbols + 1] = ends[symbols] + 2;
        symbols += 2;
    } else {
        ends++;
    }
    size_t span = symbols < width ? symbols : width;
    size_t count = symbols - span + 1;
    for (size_t i = 0; i < count; i++) {
        size_t from = i ? ends[i - 1] + 1 : 0;
        hashes[i] = mix32(xxh32(text + from, ends[i + span - 1] - from));
    }
    return count;
}

static PyObject *kernel_minhash(PyObject *Py_UNUSED(self), PyObject *args) {
    PyObject *o[8];
    int folded, width, padded;
    buffers held = {.count = 0};
    texts t;
    if (!PyArg_ParseTuple(args, "OOOiOipOOOO", o, o + 1, o + 2, &folded, o + 3, &width, &padded, o + 4, o + 5,
                          o + 6, o + 7))
        return NULL;
    if (!take_texts(&held, &t, o[0], o[1], o[2], folded, o[3])) goto fail;
    TAKE(a, o[4], u32, 0);
    TAKE(b, o[5], u32, 0);
    TAKE(minima, o[6], u32, 1);
    TAKE(hard, o[7], u8, 1);
    REQUIRE(width >= 1, "width");
    REQUIRE(b_n == a_n && a_n > 0, "b");
    REQUIRE(minima_n == t.count * a_n && hard_n == t.count, "an output of one row a block");
    int memory = 1;
    i64 hard_count = 0;
    Py_BEGIN_ALLOW_THREADS;
    token_scratch tokens = {NULL, 0, NULL, NULL};
    u32 *ends = NULL;
    size_t room = 0;
    for (Py_ssize_t i = 0; i < t.count; i++) {
        size_t size = (size_t)(t.ends[i] - t.starts[i]);
        if (room < size + 4) {
            free(ends);
            room = size + size / 2 + 64;
            ends = malloc(2 * room * sizeof(u32));
        }
        if (!ends || !reserve_scratch(&tokens, size)) {
            memory = 0;
            break;
        }
        tokenised done = tokenise(&t.table, t.buffer + t.starts[i], size, t.folded, &tokens, NULL, ends + 1);
        hard[i] = (u8)done.hard;
        hard_count += done.hard;
        u32 *hashes = ends + room, *row = minima + i * a_n;
        size_t shingles = hash_shingles(&tokens, &done, (size_t)width, padded, ends, hashes);
        memset(row, 0xFF, (size_t)a_n * sizeof(u32));
        permute(hashes, shingles, a, b, row, (size_t)a_n);
    }
    free(ends);
    free(tokens.memory);
    Py_END_ALLOW_THREADS;
    release(&held);
    return memory ? PyLong_FromLongLong(hard_count) : PyErr_NoMemory();
fail:
    release(&held);
    return NULL;
}

static PyObject *kernel_trace_keys(PyObject *Py_UNUSED(self), PyObject *args) {
    PyObject *o[5];
    buffers held = {.count = 0};
    if (!PyArg_ParseTuple(args, "OOOOO", o, o + 1, o + 2, o + 3, o + 4)) return NULL;
    TAKE(traces, o[0], u16, 0);
    TAKE(spans, o[1], i64, 0);
    TAKE(scheme, o[2], i64, 0);
    TAKE(key_spans, o[3], i64, 1);
    TAKE(keys, o[4], u64, 1);
    if (!check_scheme(scheme, scheme_n)) goto fail;
    if (!check_spans(spans, spans_n, traces_n, "spans")) goto fail;
    REQUIRE(key_spans_n == spans_n, "key_spans");
    REQUIRE(keys_n >= spans_n / 2 * (scheme[2] + scheme[3] + scheme[6]), "keys");
    int memory = 1;
    Py_BEGIN_ALLOW_THREADS;
    sketch_scratch sketch;
    const key_scheme strata = scheme_of(scheme);
    init_sketch_scratch(&sketch);
    i64 at = 0;
    for (Py_ssize_t i = 0; i < spans_n && memory; i += 2) {
        size_t tokens = (size_t)(spans[i + 1] - spans[i]);
        memory = reserve_sketch(&sketch, tokens);
        if (!memory) break;
        key_spans[i] = at;
        key_spans[i + 1] = at += (i64)trace_keys(&sketch, &strata, traces + spans[i], tokens, keys + at);
    }
    free(sketch.memory);
    Py_END_ALLOW_THREADS;
    release(&held);
    if (!memory) return PyErr_NoMemory();
    Py_RETURN_NONE;
fail:
    release(&held);
    return NULL;
}

#endif
