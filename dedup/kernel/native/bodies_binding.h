/* What a shared store is told of new blocks: list_postings and pack_bodies. */
#ifndef DEDUP_BODIES_BINDING_H
#define DEDUP_BODIES_BINDING_H

#include "buffers.h"
#include "judge.h"
#include "little.h"

enum { BODY_LEAD = 4 + 8 + 2 + SIGNATURE_BYTES, REPETITIVE_BIT = 31 };

static PyObject *kernel_list_postings(PyObject *Py_UNUSED(self), PyObject *args) {
    PyObject *o[6];
    buffers held = {.count = 0};
    if (!PyArg_ParseTuple(args, "OOOOOO", o, o + 1, o + 2, o + 3, o + 4, o + 5)) return NULL;
    TAKE(prints, o[0], u64, 0);
    TAKE(keys, o[1], u64, 0);
    TAKE(spans, o[2], i64, 0);
    TAKE(judged, o[3], u8, 0);
    TAKE(fields, o[4], u64, 1);
    TAKE(bounds, o[5], i64, 1);
    if (!check_spans(spans, spans_n, keys_n, "key_spans")) goto fail;
    REQUIRE(prints_n == spans_n && 2 * judged_n == spans_n && bounds_n == judged_n + 1, "an array of one row a block");
    i64 room = 0;
    for (Py_ssize_t i = 0; i < judged_n; i++) room += judged[i] ? 1 + spans[2 * i + 1] - spans[2 * i] : 0;
    REQUIRE(fields_n >= room, "fields");
    bounds[0] = 0;
    for (Py_ssize_t i = 0; i < judged_n; i++) {
        i64 at = bounds[i];
        if (judged[i]) {
            fields[at++] = prints[2 * i];
            for (i64 k = spans[2 * i]; k < spans[2 * i + 1]; k++) fields[at++] = keys[k];
        }
        bounds[i + 1] = at;
    }
    release(&held);
    Py_RETURN_NONE;
fail:
    release(&held);
    return NULL;
}

static PyObject *kernel_pack_bodies(PyObject *Py_UNUSED(self), PyObject *args) {
    PyObject *o[7];
    double varied;
    buffers held = {.count = 0};
    if (!PyArg_ParseTuple(args, "OOOOOdOO", o, o + 1, o + 2, o + 3, o + 4, &varied, o + 5, o + 6)) return NULL;
    TAKE(traces, o[0], u16, 0);
    TAKE(spans, o[1], i64, 0);
    TAKE(prints, o[2], u64, 0);
    TAKE(judged, o[3], u8, 0);
    TAKE(positions, o[4], i64, 0);
    TAKE(out, o[5], u8, 1);
    TAKE(bounds, o[6], i64, 1);
    if (!check_spans(spans, spans_n, traces_n, "spans")) goto fail;
    REQUIRE(prints_n == spans_n && 2 * judged_n == spans_n && positions_n == judged_n && bounds_n == judged_n + 1,
            "an array of one row a block");
    i64 room = 0;
    for (Py_ssize_t i = 0; i < judged_n; i++)
        room += judged[i] ? BODY_LEAD + 2 * (spans[2 * i + 1] - spans[2 * i]) : 0;
    REQUIRE(out_n >= room, "out");
    int memory = 1;
    Py_BEGIN_ALLOW_THREADS;
    shingle_set set = {0};
    u8 *at = out;
    bounds[0] = 0;
    for (Py_ssize_t i = 0; i < judged_n && memory; i++) {
        const u16 *trace = traces + spans[2 * i];
        size_t tokens = (size_t)(spans[2 * i + 1] - spans[2 * i]);
        if (judged[i] && (memory = reset_set(&set, tokens + 1))) {
            FOR_EACH_SHINGLE(trace, tokens, shingle, add_shingle(&set, shingle));
            /* The pads make two of the shingles. What says that a text goes on is none of its tokens. */
            int repetitive = goes_on(trace, tokens) || (double)set.distinct - 2 < varied * ((double)tokens - 1);
            at = write_little(at, (u64)positions[i] | (u64)repetitive << REPETITIVE_BIT, 4);
            at = write_little(at, prints[2 * i], 8);
            u8 signature[SIGNATURE_BYTES];
            sign_trace(trace, tokens, signature);
            int bits = 0;
            for (int k = 0; k < 8 * SIGNATURE_BYTES; k++) bits += signature[k >> 3] >> (k & 7) & 1;
            at = write_little(at, (u64)bits, 2);
            memcpy(at, signature, SIGNATURE_BYTES);
            at += SIGNATURE_BYTES;
            for (size_t k = 0; k < tokens; k++) at = write_little(at, trace[k], 2);
        }
        bounds[i + 1] = at - out;
    }
    free(set.entries);
    Py_END_ALLOW_THREADS;
    release(&held);
    if (!memory) return PyErr_NoMemory();
    Py_RETURN_NONE;
fail:
    release(&held);
    return NULL;
}

#endif
