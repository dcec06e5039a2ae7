/* judge, and the operations of the index in memory, as Python calls them. */
#ifndef DEDUP_INDEX_BINDING_H
#define DEDUP_INDEX_BINDING_H

#include "buffers.h"
#include "index.h"

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
    PyObject *o[13], *batch[6];
    unsigned int now, before;
    int min_words, lookup;
    buffers held = {.count = 0};
    block_index x, second, *overlay = NULL;
    if (!PyArg_ParseTuple(args, "OOOOOOIIipOOOOOOO", o, o + 1, o + 2, o + 3, o + 4, o + 11, &now, &before, &min_words,
                          &lookup, o + 5, o + 6, o + 7, o + 8, o + 9, o + 10, o + 12))
        return NULL;
    if (!PyArg_ParseTuple(o[2], "OOOOOO", batch, batch + 1, batch + 2, batch + 3, batch + 4, batch + 5))
        return NULL;
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
    TAKE(values, batch[5], u32, 0);
    TAKE(page_bounds, o[3], i64, 0);
    TAKE(pages, o[4], u32, 0);
    TAKE(held_before, o[11], u32, 0);
    TAKE(rule, o[5], double, 0);
    TAKE(kinds, o[6], u8, 1);
    TAKE(similarity, o[7], double, 1);
    TAKE(containment, o[8], double, 1);
    TAKE(details, o[9], u32, 1);
    TAKE(entries, o[10], u32, 1);
    TAKE(candidates, o[12], u16, 1);
    Py_ssize_t n = trace_spans_n / 2;
    if (!check_spans(trace_spans, trace_spans_n, traces_n, "trace_spans")) goto fail;
    if (!check_spans(key_spans, key_spans_n, keys_n, "key_spans")) goto fail;
    if (!check_bounds(page_bounds, page_bounds_n, n, "page_bounds")) goto fail;
    REQUIRE(rule_n == 6, "rule");
    REQUIRE(fingerprints_n == 2 * n && key_spans_n == 2 * n && (n ? values_n % n : values_n) == 0, "the batch");
    size_t value_count = n ? (size_t)(values_n / n) : 0;
    REQUIRE(pages_n == page_bounds_n - 1, "pages");
    REQUIRE(kinds_n == n && similarity_n == n && containment_n == n && details_n == 6 * n && entries_n == n &&
                candidates_n == n,
            "an output of one row a block");
    const block_index *target = overlay ? overlay : &x;
    i64 first = page_bounds[0], last = page_bounds[page_bounds_n - 1];
    i64 units = target->state[USED_UNITS], postings = target->state[POSTINGS];
    for (i64 i = first; i < last; i++) {
        i64 count = key_spans[2 * i + 1] - key_spans[2 * i];
        units += (i64)units_for((u64)(trace_spans[2 * i + 1] - trace_spans[2 * i]));
        postings += count + 1;
        REQUIRE(count <= MAX_KEYS, "the keys of a block");
    }
    REQUIRE((u64)units <= target->units, "the arena");
    REQUIRE(postings < (i64)target->slots, "the posting table");
    int memory = 1;
    Py_BEGIN_ALLOW_THREADS;
    judge_scratch scratch = {0};
    verdict_rule r = {rule[0], rule[1], rule[2], rule[3], rule[4], rule[5]};
    enum { AHEAD = 6 };
    for (Py_ssize_t p = 0; p < pages_n && memory; p++) {
        page_check check = {pages[p], now, before, lookup, 0};
        Py_ssize_t judged = 0;
        for (i64 i = page_bounds[p]; i < page_bounds[p + 1]; i++) {
            if (i + AHEAD < last) {
                i64 j = i + AHEAD;
                block_view later = {0, fingerprints[2 * j + 1], NULL, 0, keys + key_spans[2 * j],
                                    (size_t)(key_spans[2 * j + 1] - key_spans[2 * j]), NULL, 0, 0};
                prefetch_block(&x, &later);
            }
            size_t tokens = (size_t)(trace_spans[2 * i + 1] - trace_spans[2 * i]);
            similarity[i] = containment[i] = 0;
            kinds[i] = SKIPPED;
            entries[i] = 0;
            candidates[i] = 0;
            if (tokens == 0 || tokens < (size_t)min_words) continue;
            block_view block = {fingerprints[2 * i], fingerprints[2 * i + 1], traces + trace_spans[2 * i], tokens,
                                keys + key_spans[2 * i], (size_t)(key_spans[2 * i + 1] - key_spans[2 * i]),
                                values + (size_t)i * value_count, value_count, (u32)(i - page_bounds[p])};
            u32 before_this = judged < held_before_n ? held_before[judged] : 0;
            check.held = before_this & REPEAT_ENTRY ? before_this & ~REPEAT_ENTRY : 0;
            judged++;
            finding found;
            if (!check_block(&x, overlay, &block, &check, &r, &scratch, &found, entries + i)) {
                memory = 0;
                break;
            }
            kinds[i] = (u8)found.verdict.kind;
            candidates[i] = (u16)found.candidates;
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

static PyObject *kernel_add_values(PyObject *Py_UNUSED(self), PyObject *args) {
    PyObject *o[6];
    unsigned int now;
    buffers held = {.count = 0};
    block_index x;
    if (!PyArg_ParseTuple(args, "OOOOOIO", o, o + 1, o + 2, o + 3, o + 4, &now, o + 5)) return NULL;
    if (!take_index(&held, &x, o[0])) goto fail;
    TAKE(values, o[1], u32, 0);
    TAKE(keys, o[2], u64, 0);
    TAKE(page_bounds, o[3], i64, 0);
    TAKE(pages, o[4], u32, 0);
    TAKE(entries, o[5], u32, 1);
    Py_ssize_t n = entries_n;
    if (!check_bounds(page_bounds, page_bounds_n, n, "page_bounds")) goto fail;
    REQUIRE(pages_n == page_bounds_n - 1, "pages");
    REQUIRE(n > 0 && values_n % n == 0 && keys_n % n == 0 && values_n / n <= (1 << 28), "values");
    size_t value_count = (size_t)(values_n / n), key_count = (size_t)(keys_n / n);
    i64 added = page_bounds[pages_n] - page_bounds[0];
    REQUIRE(key_count <= MAX_KEYS, "the keys of a block");
    REQUIRE((u64)x.state[USED_UNITS] + (u64)added * units_for(2 * value_count) <= x.units, "the arena");
    REQUIRE(x.state[POSTINGS] + added * (i64)key_count < (i64)x.slots, "the posting table");
    Py_BEGIN_ALLOW_THREADS;
    for (Py_ssize_t p = 0; p < pages_n; p++) {
        page_check check = {pages[p], now, 0, 0, 0};
        for (i64 i = page_bounds[p]; i < page_bounds[p + 1]; i++) {
            block_view block = {0, 0, NULL, 0, keys + (size_t)i * key_count, key_count,
                                values + (size_t)i * value_count, value_count, (u32)(i - page_bounds[p])};
            entries[i] = add_original(&x, &block, &check);
        }
    }
    Py_END_ALLOW_THREADS;
    release(&held);
    Py_RETURN_NONE;
fail:
    release(&held);
    return NULL;
}

static PyObject *kernel_apply_entries(PyObject *Py_UNUSED(self), PyObject *args) {
    PyObject *o[4], *batch[5];
    unsigned int now, before;
    buffers held = {.count = 0};
    block_index x;
    if (!PyArg_ParseTuple(args, "O(OOOOO)OOOII", o, batch, batch + 1, batch + 2, batch + 3, batch + 4, o + 1, o + 2,
                          o + 3, &now, &before))
        return NULL;
    if (!take_index(&held, &x, o[0])) goto fail;
    TAKE(fingerprints, batch[0], u64, 0);
    TAKE(tokens, batch[1], u32, 0);
    TAKE(bodies, batch[2], u16, 0);
    TAKE(tag_counts, batch[3], u8, 0);
    TAKE(tags, batch[4], u32, 0);
    TAKE(page_bounds, o[1], i64, 0);
    TAKE(pages, o[2], u32, 0);
    TAKE(entries, o[3], u32, 0);
    if (!check_bounds(page_bounds, page_bounds_n, entries_n, "page_bounds")) goto fail;
    REQUIRE(pages_n == page_bounds_n - 1, "pages");
    REQUIRE(tokens_n == fingerprints_n && tag_counts_n == fingerprints_n, "an array of one row an original");
    u64 units = 0, values = 0, postings = 0;
    for (Py_ssize_t i = 0; i < tokens_n; i++) {
        u64 length = tokens[i] & ~VALUES_FLAG;
        units += units_for(length);
        values += length;
        postings += tag_counts[i];
    }
    REQUIRE(values == (u64)bodies_n, "bodies");
    REQUIRE(postings == (u64)tags_n, "tags");
    REQUIRE((u64)x.state[USED_UNITS] + units <= x.units, "the arena");
    REQUIRE(x.state[POSTINGS] + (i64)postings < (i64)x.slots, "the posting table");
    int possible = 1;
    added_originals added = {fingerprints, tokens, bodies, tag_counts, tags, tags + tags_n,
                             (size_t)tokens_n, 0};
    Py_BEGIN_ALLOW_THREADS;
    for (Py_ssize_t p = 0; p < pages_n && possible; p++) {
        page_check check = {pages[p], now, before, 0, 0};
        i64 first = page_bounds[p];
        possible = apply_entries(&x, &added, entries + first, (size_t)(page_bounds[p + 1] - first), &check);
    }
    Py_END_ALLOW_THREADS;
    REQUIRE(possible && added.next == added.count, "an entry");
    release(&held);
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

static PyObject *kernel_release_expired(PyObject *Py_UNUSED(self), PyObject *args) {
    PyObject *columns, *pages;
    unsigned int before;
    buffers held = {.count = 0};
    block_index x;
    if (!PyArg_ParseTuple(args, "OIO", &columns, &before, &pages)) return NULL;
    if (!take_index(&held, &x, columns)) goto fail;
    TAKE(owners, pages, u8, 1);
    Py_BEGIN_ALLOW_THREADS;
    release_expired(&x, before, owners, (size_t)owners_n);
    Py_END_ALLOW_THREADS;
    release(&held);
    Py_RETURN_NONE;
fail:
    release(&held);
    return NULL;
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

#endif
