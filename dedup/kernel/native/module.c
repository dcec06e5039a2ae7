/* The Python face of the kernel: checks the buffers, releases the GIL, calls the loops.
 *
 * Every function takes arrays (any C-contiguous buffer of the dtype that its twin names) and fills
 * arrays that the caller allocated. Sizes and offsets are checked before a loop starts, so a wrong
 * call is a ValueError, not a crash. Docstrings are those of the twins in ../reference.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "index.h"
#include "lines_binding.h"
#include "minhash.h"

/* ---- buffers --------------------------------------------------------------------------------- */

/* The buffers of one call, released together whatever happens. */
enum { MAX_BUFFERS = 32 };
typedef struct {
    Py_buffer views[MAX_BUFFERS];
    int count;
} buffers;

static void release(buffers *b) {
    while (b->count) PyBuffer_Release(&b->views[--b->count]);
}

/* The object's memory as items of `width` bytes; *length gets their number. NULL with an error set. */
static void *take(buffers *b, PyObject *object, Py_ssize_t width, int writable, Py_ssize_t *length) {
    Py_buffer *view = &b->views[b->count];
    if (PyObject_GetBuffer(object, view, writable ? PyBUF_WRITABLE : PyBUF_SIMPLE) < 0) return NULL;
    b->count++;
    if (view->len % width) {
        PyErr_Format(PyExc_ValueError, "%zd bytes are no array of %zd-byte items", view->len, width);
        return NULL;
    }
    *length = view->len / width;
    /* An empty buffer may have no address; nothing is read from it, but NULL would mean failure. */
    return view->buf ? view->buf : (void *)view;
}

static int wrong(const char *what) {
    PyErr_Format(PyExc_ValueError, "%s does not fit the other arrays", what);
    return 0;
}

/* Bounds ascend from bounds[0] >= 0 and end within `limit`. */
static int check_bounds(const i64 *bounds, Py_ssize_t n, Py_ssize_t limit, const char *what) {
    if (n < 1 || bounds[0] < 0 || bounds[n - 1] > limit) return wrong(what);
    for (Py_ssize_t i = 1; i < n; i++)
        if (bounds[i] < bounds[i - 1]) return wrong(what);
    return 1;
}

/* Each of the n / 2 spans is a (start, end) within `limit`. */
static int check_spans(const i64 *spans, Py_ssize_t n, Py_ssize_t limit, const char *what) {
    if (n % 2) return wrong(what);
    for (Py_ssize_t i = 0; i < n; i += 2)
        if (spans[i] < 0 || spans[i + 1] < spans[i] || spans[i + 1] > limit) return wrong(what);
    return 1;
}

#define TAKE(name, object, type, writable)                                                         \
    Py_ssize_t name##_n = 0;                                                                       \
    type *name = take(&held, object, sizeof(type), writable, &name##_n);                           \
    if (!name) goto fail
#define REQUIRE(condition, what)                                                                   \
    if (!(condition)) {                                                                            \
        wrong(what);                                                                               \
        goto fail;                                                                                 \
    }

/* ---- texts ----------------------------------------------------------------------------------- */

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
    if (n != 7 || scheme[0] > 8 * MAX_WINDOW / 2 || scheme[4] > 8 * MAX_WINDOW / 2 || scheme[2] < 0)
        return wrong("scheme");
    for (int i = 1; i < 7; i += i == 1 ? 2 : 3)
        if (scheme[i] < 0 || scheme[i] > MAX_STRATUM) return wrong("scheme");
    return 1;
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
    REQUIRE(keys_n >= t.count * (scheme[1] + scheme[3] + scheme[6]), "keys");
    int memory = 1;
    Py_BEGIN_ALLOW_THREADS;
    token_scratch tokens = {NULL, 0, NULL, NULL};
    sketch_scratch sketch;
    key_scheme strata = {scheme[0], scheme[1], scheme[2], scheme[3], scheme[4], scheme[5], scheme[6]};
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

static PyObject *kernel_minhash(PyObject *Py_UNUSED(self), PyObject *args) {
    PyObject *o[8];
    int folded, width;
    buffers held = {.count = 0};
    texts t;
    if (!PyArg_ParseTuple(args, "OOOiOiOOOO", o, o + 1, o + 2, &folded, o + 3, &width, o + 4, o + 5, o + 6, o + 7))
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
        if (room < size + 2) {
            free(ends);
            room = size + size / 2 + 64;
            ends = malloc(2 * room * sizeof(u32));
        }
        if (!ends || !reserve_scratch(&tokens, size)) {
            memory = 0;
            break;
        }
        tokenised done = tokenise(&t.table, t.buffer + t.starts[i], size, t.folded, &tokens, NULL, ends);
        hard[i] = (u8)done.hard;
        hard_count += done.hard;
        /* A text with fewer tokens than a shingle is one shingle; an empty text has none. */
        size_t span = done.tokens < (size_t)width ? done.tokens : (size_t)width;
        size_t shingles = done.tokens ? done.tokens - span + 1 : 0;
        u32 *hashes = ends + room, *row = minima + i * a_n;
        for (size_t s = 0; s < shingles; s++) {
            size_t from = s ? ends[s - 1] + 1 : 0;
            hashes[s] = mix32(xxh32(tokens.normalised + from, ends[s + span - 1] - from));
        }
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
    REQUIRE(keys_n >= spans_n / 2 * (scheme[1] + scheme[3] + scheme[6]), "keys");
    int memory = 1;
    Py_BEGIN_ALLOW_THREADS;
    sketch_scratch sketch;
    key_scheme strata = {scheme[0], scheme[1], scheme[2], scheme[3], scheme[4], scheme[5], scheme[6]};
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

/* ---- verdicts -------------------------------------------------------------------------------- */

static PyObject *kernel_judge(PyObject *Py_UNUSED(self), PyObject *args) {
    PyObject *o[10];
    buffers held = {.count = 0};
    if (!PyArg_ParseTuple(args, "OOOOOOOOOO", o, o + 1, o + 2, o + 3, o + 4, o + 5, o + 6, o + 7, o + 8, o + 9))
        return NULL;
    TAKE(rule, o[0], double, 0);
    TAKE(spans, o[1], i64, 0);
    TAKE(traces, o[2], u16, 0);
    TAKE(other_spans, o[3], i64, 0);
    TAKE(other_traces, o[4], u16, 0);
    TAKE(own, o[5], i64, 0);
    TAKE(other, o[6], i64, 0);
    TAKE(kinds, o[7], u8, 1);
    TAKE(similarity, o[8], double, 1);
    TAKE(containment, o[9], double, 1);
    REQUIRE(rule_n == 6, "rule");
    if (!check_spans(spans, spans_n, traces_n, "spans")) goto fail;
    if (!check_spans(other_spans, other_spans_n, other_traces_n, "other_spans")) goto fail;
    REQUIRE(other_n == own_n && kinds_n == own_n && similarity_n == own_n && containment_n == own_n,
            "an array of one row a pair");
    for (Py_ssize_t i = 0; i < own_n; i++)
        REQUIRE(own[i] >= 0 && own[i] < spans_n / 2 && other[i] >= 0 && other[i] < other_spans_n / 2, "a pair");
    int memory = 1;
    Py_BEGIN_ALLOW_THREADS;
    judge_scratch scratch = {0};
    verdict_rule r = {rule[0], rule[1], rule[2], rule[3], rule[4], rule[5]};
    i64 current = -1;
    for (Py_ssize_t i = 0; i < own_n && memory; i++) {
        if (own[i] != current) {
            current = own[i];
            const i64 *span = spans + 2 * current;
            begin_judging(&scratch, traces + span[0], (size_t)(span[1] - span[0]));
        }
        const i64 *span = other_spans + 2 * other[i];
        verdict v = judge_candidate(&scratch, &r, other_traces + span[0], (size_t)(span[1] - span[0]), -1);
        memory = v.kind >= 0;
        kinds[i] = (u8)v.kind;
        similarity[i] = v.similarity;
        containment[i] = v.containment;
    }
    free_judge_scratch(&scratch);
    Py_END_ALLOW_THREADS;
    release(&held);
    if (!memory) return PyErr_NoMemory();
    Py_RETURN_NONE;
fail:
    release(&held);
    return NULL;
}

/* ---- the index ------------------------------------------------------------------------------- */

static int take_index(buffers *b, block_index *x, PyObject *columns) {
    PyObject *tags, *ids, *arena, *state;
    Py_ssize_t tags_n, ids_n, units, state_n;
    if (!PyArg_ParseTuple(columns, "OOOO", &tags, &ids, &arena, &state)) return 0;
    if (!(x->tags = take(b, tags, 4, 1, &tags_n)) || !(x->ids = take(b, ids, 4, 1, &ids_n)) ||
        !(x->arena = take(b, arena, 8, 1, &units)) || !(x->state = take(b, state, 8, 1, &state_n)))
        return 0;
    x->slots = (u64)tags_n;
    x->units = (u64)units;
    if (ids_n != tags_n || tags_n < 1) return wrong("ids");
    if (state_n != STATE_SIZE || x->state[POSTINGS] >= tags_n || x->state[USED_UNITS] < 1 ||
        x->state[USED_UNITS] > units || units > (i64)REPEAT_ENTRY)
        return wrong("state");
    return 1;
}

static PyObject *kernel_check_blocks(PyObject *Py_UNUSED(self), PyObject *args) {
    PyObject *o[11], *batch[5];
    unsigned int now;
    int min_words, lookup;
    buffers held = {.count = 0};
    block_index x, second, *overlay = NULL;
    if (!PyArg_ParseTuple(args, "OOOOOIipOOOOOO", o, o + 1, o + 2, o + 3, o + 4, &now, &min_words, &lookup, o + 5,
                          o + 6, o + 7, o + 8, o + 9, o + 10))
        return NULL;
    if (!PyArg_ParseTuple(o[2], "OOOOO", batch, batch + 1, batch + 2, batch + 3, batch + 4)) return NULL;
    if (!take_index(&held, &x, o[0])) goto fail;
    if (o[1] != Py_None) {
        overlay = &second;
        if (!take_index(&held, overlay, o[1])) goto fail;
    }
    TAKE(fingerprints, batch[0], u64, 0);
    TAKE(trace_spans, batch[1], i64, 0);
    TAKE(traces, batch[2], u16, 0);
    TAKE(key_spans, batch[3], i64, 0);
    TAKE(keys, batch[4], u64, 0);
    TAKE(page_bounds, o[3], i64, 0);
    TAKE(pages, o[4], u32, 0);
    TAKE(rule, o[5], double, 0);
    TAKE(kinds, o[6], u8, 1);
    TAKE(similarity, o[7], double, 1);
    TAKE(containment, o[8], double, 1);
    TAKE(details, o[9], u32, 1);
    TAKE(entries, o[10], u32, 1);
    Py_ssize_t n = trace_spans_n / 2;
    if (!check_spans(trace_spans, trace_spans_n, traces_n, "trace_spans")) goto fail;
    if (!check_spans(key_spans, key_spans_n, keys_n, "key_spans")) goto fail;
    if (!check_bounds(page_bounds, page_bounds_n, n, "page_bounds")) goto fail;
    REQUIRE(rule_n == 6, "rule");
    REQUIRE(fingerprints_n == 2 * n && key_spans_n == 2 * n, "the batch");
    REQUIRE(pages_n == page_bounds_n - 1, "pages");
    REQUIRE(kinds_n == n && similarity_n == n && containment_n == n && details_n == 6 * n && entries_n == n,
            "an output of one row a block");
    const block_index *target = overlay ? overlay : &x;
    i64 first = page_bounds[0], last = page_bounds[page_bounds_n - 1];
    i64 units = target->state[USED_UNITS], postings = target->state[POSTINGS];
    for (i64 i = first; i < last; i++) {
        i64 count = key_spans[2 * i + 1] - key_spans[2 * i];
        units += (i64)record_units((u64)(trace_spans[2 * i + 1] - trace_spans[2 * i]));
        postings += count + 1;
        REQUIRE(count <= 3 * MAX_STRATUM, "the keys of a block");
    }
    REQUIRE((u64)units <= target->units, "the arena");
    REQUIRE(postings < (i64)target->slots, "the posting table");
    int memory = 1;
    Py_BEGIN_ALLOW_THREADS;
    judge_scratch scratch = {0};
    verdict_rule r = {rule[0], rule[1], rule[2], rule[3], rule[4], rule[5]};
    enum { AHEAD = 6 };
    for (Py_ssize_t p = 0; p < pages_n && memory; p++) {
        page_check check = {pages[p], now, lookup};
        for (i64 i = page_bounds[p]; i < page_bounds[p + 1]; i++) {
            if (i + AHEAD < last) {
                i64 j = i + AHEAD;
                block_view later = {0, fingerprints[2 * j + 1], NULL, 0, keys + key_spans[2 * j],
                                    (size_t)(key_spans[2 * j + 1] - key_spans[2 * j]), 0};
                prefetch_block(&x, &later);
            }
            size_t tokens = (size_t)(trace_spans[2 * i + 1] - trace_spans[2 * i]);
            similarity[i] = containment[i] = 0;
            kinds[i] = SKIPPED;
            entries[i] = 0;
            if (tokens == 0 || tokens < (size_t)min_words) continue;
            block_view block = {fingerprints[2 * i], fingerprints[2 * i + 1], traces + trace_spans[2 * i], tokens,
                                keys + key_spans[2 * i], (size_t)(key_spans[2 * i + 1] - key_spans[2 * i]),
                                (u32)(i - page_bounds[p])};
            finding found;
            if (!check_block(&x, overlay, &block, &check, &r, &scratch, &found, entries + i)) {
                memory = 0;
                break;
            }
            kinds[i] = (u8)found.verdict.kind;
            if (!found.original) continue;
            similarity[i] = found.verdict.similarity;
            containment[i] = found.verdict.containment;
            u32 row[6] = {found.original->page, found.original->position, found.original->first_seen,
                          found.original->last_seen, found.original->seen, found.original->pages};
            memcpy(details + 6 * i, row, sizeof row);
        }
    }
    free_judge_scratch(&scratch);
    Py_END_ALLOW_THREADS;
    release(&held);
    if (!memory) return PyErr_NoMemory();
    Py_RETURN_NONE;
fail:
    release(&held);
    return NULL;
}

typedef void page_action(block_index *, const u32 *, size_t, u32);

static PyObject *run_page_action(PyObject *args, page_action *action) {
    PyObject *columns, *log;
    unsigned int page;
    buffers held = {.count = 0};
    block_index x;
    if (!PyArg_ParseTuple(args, "OOI", &columns, &log, &page)) return NULL;
    if (!take_index(&held, &x, columns)) goto fail;
    TAKE(entries, log, u32, 0);
    for (Py_ssize_t i = 0; i < entries_n; i++) {
        u32 id = entries[i] & ~REPEAT_ENTRY;
        REQUIRE(id > 0 && id + RECORD_UNITS <= x.state[USED_UNITS], "an entry");
    }
    action(&x, entries, (size_t)entries_n, page);
    release(&held);
    Py_RETURN_NONE;
fail:
    release(&held);
    return NULL;
}

static PyObject *kernel_withdraw_page(PyObject *Py_UNUSED(self), PyObject *args) {
    return run_page_action(args, withdraw_page);
}

static PyObject *kernel_release_unclaimed(PyObject *Py_UNUSED(self), PyObject *args) {
    return run_page_action(args, release_unclaimed);
}

static PyObject *kernel_move_postings(PyObject *Py_UNUSED(self), PyObject *args) {
    PyObject *columns, *new_tags, *new_ids;
    int forwarded;
    buffers held = {.count = 0};
    block_index x, to;
    if (!PyArg_ParseTuple(args, "OOOp", &columns, &new_tags, &new_ids, &forwarded)) return NULL;
    if (!take_index(&held, &x, columns)) goto fail;
    TAKE(tags, new_tags, u32, 1);
    TAKE(ids, new_ids, u32, 1);
    REQUIRE(ids_n == tags_n && tags_n > x.state[POSTINGS], "the new table");
    to = x;
    to.tags = tags;
    to.ids = ids;
    to.slots = (u64)tags_n;
    Py_BEGIN_ALLOW_THREADS;
    memset(tags, 0, (size_t)tags_n * sizeof(u32));
    move_postings(&x, &to, forwarded);
    Py_END_ALLOW_THREADS;
    release(&held);
    Py_RETURN_NONE;
fail:
    release(&held);
    return NULL;
}

typedef void index_action(block_index *);

static PyObject *run_index_action(PyObject *columns, index_action *action) {
    buffers held = {.count = 0};
    block_index x;
    if (!take_index(&held, &x, columns)) {
        release(&held);
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS;
    action(&x);
    Py_END_ALLOW_THREADS;
    release(&held);
    Py_RETURN_NONE;
}

static PyObject *kernel_forward_records(PyObject *Py_UNUSED(self), PyObject *columns) {
    return run_index_action(columns, forward_records);
}

static PyObject *kernel_slide_records(PyObject *Py_UNUSED(self), PyObject *columns) {
    return run_index_action(columns, slide_records);
}

/* ---- the module ------------------------------------------------------------------------------ */

static PyMethodDef METHODS[] = {
    {"scan_lines", kernel_scan_lines, METH_VARARGS, KERNEL_SCAN_LINES_DOC},
    {"sketch", kernel_sketch, METH_VARARGS, NULL},
    {"normalise", kernel_normalise, METH_VARARGS, NULL},
    {"minhash", kernel_minhash, METH_VARARGS, NULL},
    {"trace_keys", kernel_trace_keys, METH_VARARGS, NULL},
    {"judge", kernel_judge, METH_VARARGS, NULL},
    {"check_blocks", kernel_check_blocks, METH_VARARGS, NULL},
    {"withdraw_page", kernel_withdraw_page, METH_VARARGS, NULL},
    {"release_unclaimed", kernel_release_unclaimed, METH_VARARGS, NULL},
    {"move_postings", kernel_move_postings, METH_VARARGS, NULL},
    {"forward_records", kernel_forward_records, METH_O, NULL},
    {"slide_records", kernel_slide_records, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static int execute(PyObject *module) {
    kernel_detect();
    const char *levels[] = {"baseline", "avx2", "avx512"};
    return PyModule_AddStringConstant(module, "LEVEL", levels[kernel_level]);
}

static PyModuleDef_Slot SLOTS[] = {{Py_mod_exec, execute}, {0, NULL}};

static struct PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT, "_native", "The kernel in C. See dedup.kernel.", 0, METHODS, SLOTS, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__native(void) { return PyModuleDef_Init(&MODULE); }
