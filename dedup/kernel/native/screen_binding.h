/* Which of some blocks may repeat something, before anybody decides in order: screen_blocks; and which
 * of their postings there is room for: choose_postings. */
#ifndef DEDUP_SCREEN_BINDING_H
#define DEDUP_SCREEN_BINDING_H

#include "buffers.h"
#include "index.h"
#include "little.h"

enum { BODY_PRINT = 4 };

/* What screen_blocks is given. */
typedef struct {
    verdict_rule rule;
    const i64 *spans, *rows, *firsts, *owners, *earlier;
    const u16 *traces;
    const u64 *prints;
    const u8 *counts, *bodies;
    const u32 *ids, *originals;
    const i64 *starts, *body_traces;
    Py_ssize_t blocks, known;
    u8 *open;
    u32 *exact;
    u16 *compared;
} screening;

/* An original's place; -1: it is not there. */
static i64 find_original(const screening *s, u32 id) {
    i64 low = 0, high = s->known;
    while (low < high) {
        i64 middle = (low + high) / 2;
        if (s->originals[middle] < id) low = middle + 1;
        else high = middle;
    }
    return low < s->known && s->originals[low] == id ? low : -1;
}

/* Adds a value to a short list without repetition; how many there are then. */
static size_t note(u32 *list, size_t n, u32 value) {
    for (size_t i = 0; i < n; i++)
        if (list[i] == value) return n;
    list[n] = value;
    return n + 1;
}

/* The originals under the keys of a block, each once. */
static size_t list_candidates(const screening *s, Py_ssize_t block, u32 *list) {
    size_t n = 0;
    for (i64 i = s->firsts[block]; i < s->firsts[block + 1]; i++)
        for (u8 k = 0; k < s->counts[i]; k++) n = note(list, n, s->ids[POSTINGS_PER_KEY * i + k]);
    return n;
}

/* The blocks before a block with a key in common that has room, each once: by its last few equal keys. */
static size_t list_earlier(const screening *s, Py_ssize_t block, u32 *list) {
    size_t n = 0;
    for (i64 i = s->firsts[block]; i < s->firsts[block + 1]; i++) {
        if (s->counts[i] >= POSTINGS_PER_KEY) continue;
        i64 other = s->earlier[i];
        for (int distance = 1; other >= 0 && distance < POSTINGS_PER_KEY; distance++, other = s->earlier[other])
            n = note(list, n, (u32)s->owners[other]);
    }
    return n;
}

/* The first original under a block's fingerprint that has its text; 0: none. */
static u32 find_same_text(const screening *s, Py_ssize_t block) {
    i64 first = s->firsts[block];
    if (first == s->firsts[block + 1]) return 0;
    for (u8 k = 0; k < s->counts[first]; k++) {
        u32 id = s->ids[POSTINGS_PER_KEY * first + k];
        const u8 *body = s->bodies + s->starts[find_original(s, id)];
        if (read_little(body + BODY_PRINT, 8) == s->prints[2 * s->rows[block]]) return id;
    }
    return 0;
}

/* Marks the blocks of keys that have room for some of them only: who is found there depends on who is
 * added. `ranks` gets, of each posting, how many equal keys there are before it. */
static void mark_crowded(const screening *s, i64 *ranks, Py_ssize_t postings) {
    for (i64 i = 0; i < postings; i++) {
        ranks[i] = s->earlier[i] < 0 ? 0 : ranks[s->earlier[i]] + 1;
        if (s->counts[i] >= POSTINGS_PER_KEY) continue;
        i64 excess = s->counts[i] + ranks[i] + 1 - POSTINGS_PER_KEY;
        if (excess < 1) continue;
        s->open[s->owners[i]] = 1;
        for (i64 other = s->earlier[i]; excess == 1 && other >= 0; other = s->earlier[other])
            s->open[s->owners[other]] = 1;
    }
}

/* Fills in the answers. 0: memory ran out. `list` and `trace` have room for the longest of each. */
static int screen(const screening *s, u32 *list, u16 *trace) {
    judge_scratch scratch = {0};
    int memory = 1;
    for (Py_ssize_t b = 0; b < s->blocks && memory; b++) {
        const i64 row = s->rows[b], *span = s->spans + 2 * row;
        begin_judging(&scratch, s->traces + span[0], (size_t)(span[1] - span[0]));
        s->exact[b] = find_same_text(s, b);
        if (s->exact[b]) {
            s->open[b] = 1;
        } else {
            size_t n = list_candidates(s, b, list);
            s->compared[b] = (u16)n;
            for (size_t i = 0; i < n && memory && !s->open[b]; i++) {
                i64 place = find_original(s, list[i]);
                const i64 *its = s->body_traces + 2 * place;
                size_t tokens = (size_t)(its[1] - its[0]) / 2;
                for (size_t k = 0; k < tokens; k++) trace[k] = (u16)read_little(s->bodies + its[0] + 2 * k, 2);
                int kind = judge_candidate(&scratch, &s->rule, trace, tokens, -1).kind;
                memory = kind >= 0;
                u64 print = read_little(s->bodies + s->starts[place] + BODY_PRINT, 8);
                if (kind != NEW || print == s->prints[2 * row]) s->open[b] = 1;
            }
        }
        size_t n = list_earlier(s, b, list);
        for (size_t i = 0; i < n && memory; i++) {
            if (s->open[b] && s->open[list[i]]) continue;
            const i64 other = s->rows[list[i]], *its = s->spans + 2 * other;
            int kind = judge_candidate(&scratch, &s->rule, s->traces + its[0], (size_t)(its[1] - its[0]), -1).kind;
            memory = kind >= 0;
            if (kind != NEW || s->prints[2 * row] == s->prints[2 * other]) s->open[b] = s->open[list[i]] = 1;
        }
    }
    free_judge_scratch(&scratch);
    for (Py_ssize_t b = 0; b < s->blocks; b++) {
        size_t n = list_earlier(s, b, list);
        for (size_t i = 0; i < n; i++) s->compared[b] += !s->open[list[i]];
    }
    return memory;
}

static PyObject *kernel_screen_blocks(PyObject *Py_UNUSED(self), PyObject *args) {
    PyObject *o[17];
    buffers held = {.count = 0};
    i64 *ranks = NULL;
    if (!PyArg_ParseTuple(args, "OOOOOOOOOOOOOOOOO", o, o + 1, o + 2, o + 3, o + 4, o + 5, o + 6, o + 7, o + 8, o + 9,
                          o + 10, o + 11, o + 12, o + 13, o + 14, o + 15, o + 16))
        return NULL;
    TAKE(rule, o[0], double, 0);
    TAKE(spans, o[1], i64, 0);
    TAKE(traces, o[2], u16, 0);
    TAKE(prints, o[3], u64, 0);
    TAKE(rows, o[4], i64, 0);
    TAKE(firsts, o[5], i64, 0);
    TAKE(owners, o[6], i64, 0);
    TAKE(counts, o[7], u8, 0);
    TAKE(ids, o[8], u32, 0);
    TAKE(earlier, o[9], i64, 0);
    TAKE(originals, o[10], u32, 0);
    TAKE(bodies, o[11], u8, 0);
    TAKE(starts, o[12], i64, 0);
    TAKE(body_traces, o[13], i64, 0);
    TAKE(open, o[14], u8, 1);
    TAKE(exact, o[15], u32, 1);
    TAKE(compared, o[16], u16, 1);
    REQUIRE(rule_n == 6, "rule");
    if (!check_spans(spans, spans_n, traces_n, "spans")) goto fail;
    if (!check_spans(body_traces, body_traces_n, bodies_n, "body_traces")) goto fail;
    REQUIRE(prints_n == spans_n, "fingerprints");
    if (!check_bounds(firsts, firsts_n, counts_n, "firsts")) goto fail;
    REQUIRE(firsts_n == rows_n + 1 && open_n == rows_n && exact_n == rows_n && compared_n == rows_n,
            "an array of one row a block");
    REQUIRE(owners_n == counts_n && ids_n == POSTINGS_PER_KEY * counts_n && earlier_n == counts_n,
            "an array of one row a posting");
    REQUIRE(starts_n == originals_n && body_traces_n == 2 * originals_n, "an array of one row an original");
    for (Py_ssize_t i = 0; i < rows_n; i++) REQUIRE(rows[i] >= 0 && rows[i] < spans_n / 2, "a row");
    i64 longest = 0, most = 0;
    for (Py_ssize_t i = 0; i < originals_n; i++) {
        REQUIRE(starts[i] >= 0 && starts[i] + BODY_PRINT + 8 <= bodies_n, "a body");
        i64 length = body_traces[2 * i + 1] - body_traces[2 * i];
        if (length > longest) longest = length;
    }
    for (Py_ssize_t i = 0; i < rows_n; i++)
        if (firsts[i + 1] - firsts[i] > most) most = firsts[i + 1] - firsts[i];
    screening s = {.rule = {rule[0], rule[1], rule[2], rule[3], rule[4], rule[5]},
                   .spans = spans, .rows = rows, .firsts = firsts, .owners = owners, .earlier = earlier,
                   .traces = traces, .prints = prints, .counts = counts, .bodies = bodies,
                   .ids = ids, .originals = originals, .starts = starts, .body_traces = body_traces,
                   .blocks = rows_n, .known = originals_n, .open = open, .exact = exact, .compared = compared};
    for (Py_ssize_t i = 0; i < counts_n; i++) {
        REQUIRE(owners[i] >= 0 && owners[i] < rows_n, "an owner");
        REQUIRE(earlier[i] < i, "an earlier posting");
        REQUIRE(counts[i] <= POSTINGS_PER_KEY, "a count");
        for (u8 k = 0; k < counts[i]; k++) REQUIRE(find_original(&s, ids[POSTINGS_PER_KEY * i + k]) >= 0, "an id");
    }
    ranks = malloc((size_t)(counts_n + 1) * sizeof(i64));
    u32 *list = malloc((size_t)(POSTINGS_PER_KEY * most + 1) * sizeof(u32));
    u16 *trace = malloc((size_t)longest + 2);
    int memory = ranks && list && trace;
    if (memory) {
        Py_BEGIN_ALLOW_THREADS;
        memset(open, 0, (size_t)rows_n);
        memset(compared, 0, (size_t)rows_n * sizeof(u16));
        mark_crowded(&s, ranks, counts_n);
        memory = screen(&s, list, trace);
        Py_END_ALLOW_THREADS;
    }
    free(ranks);
    free(list);
    free(trace);
    release(&held);
    if (!memory) return PyErr_NoMemory();
    Py_RETURN_NONE;
fail:
    release(&held);
    return NULL;
}

static PyObject *kernel_choose_postings(PyObject *Py_UNUSED(self), PyObject *args) {
    PyObject *o[5];
    buffers held = {.count = 0};
    i64 *taken = NULL;
    if (!PyArg_ParseTuple(args, "OOOOO", o, o + 1, o + 2, o + 3, o + 4)) return NULL;
    TAKE(added, o[0], u8, 0);
    TAKE(owners, o[1], i64, 0);
    TAKE(counts, o[2], u8, 0);
    TAKE(earlier, o[3], i64, 0);
    TAKE(chosen, o[4], i64, 1);
    REQUIRE(counts_n == owners_n && earlier_n == owners_n && chosen_n >= owners_n, "an array of one row a posting");
    for (Py_ssize_t i = 0; i < owners_n; i++) {
        REQUIRE(owners[i] >= 0 && owners[i] < added_n, "an owner");
        REQUIRE(earlier[i] < i, "an earlier posting");
    }
    if (!(taken = malloc((size_t)(owners_n + 1) * sizeof(i64)))) {
        release(&held);
        return PyErr_NoMemory();
    }
    Py_ssize_t n = 0;
    for (Py_ssize_t i = 0; i < owners_n; i++) {
        taken[i] = earlier[i] < 0 ? counts[i] : taken[earlier[i]];
        if (!added[owners[i]] || taken[i] >= POSTINGS_PER_KEY) continue;
        taken[i]++;
        chosen[n++] = i;
    }
    free(taken);
    release(&held);
    return PyLong_FromSsize_t(n);
fail:
    release(&held);
    return NULL;
}

#endif
