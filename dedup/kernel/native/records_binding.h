/* Records of originals as they lie in a shared store, some of one page in a chunk: pack_records and
 * locate_bodies.
 *
 * A chunk is the length of its page's id (u16), two times (u32), the id, how many bodies there are (u8),
 * where each starts (u32), counted from the first, and these.
 */
#ifndef DEDUP_RECORDS_BINDING_H
#define DEDUP_RECORDS_BINDING_H

#include "buffers.h"
#include "little.h"
#include "words.h"

enum { CHUNK_LEAD = 2 + 4 + 4, LONGEST_NAME = 0xFFFF, MOST_BODIES = 0xFF };

/* New records, and where they come from: of each its row and its page, ascending. */
typedef struct {
    const u8 *bodies, *names;
    const i64 *bounds, *rows, *pages, *name_bounds;
    Py_ssize_t count, room;
} new_records;

/* How many records from `first` on are in one chunk, and how many bytes it has. */
static Py_ssize_t measure_chunk(const new_records *r, Py_ssize_t first, i64 *size) {
    const i64 page = r->pages[first];
    Py_ssize_t n = 0;
    *size = CHUNK_LEAD + r->name_bounds[page + 1] - r->name_bounds[page] + 1;
    for (; n < r->room && first + n < r->count && r->pages[first + n] == page; n++)
        *size += 4 + r->bounds[r->rows[first + n] + 1] - r->bounds[r->rows[first + n]];
    return n;
}

static u8 *write_chunk(u8 *at, const new_records *r, Py_ssize_t first, Py_ssize_t n, u64 now) {
    const i64 page = r->pages[first], length = r->name_bounds[page + 1] - r->name_bounds[page];
    at = write_little(write_little(write_little(at, (u64)length, 2), now, 4), now, 4);
    memcpy(at, r->names + r->name_bounds[page], (size_t)length);
    at += length;
    *at++ = (u8)n;
    u64 start = 0;
    for (Py_ssize_t i = first; i < first + n; i++) {
        at = write_little(at, start, 4);
        start += (u64)(r->bounds[r->rows[i] + 1] - r->bounds[r->rows[i]]);
    }
    for (Py_ssize_t i = first; i < first + n; i++) {
        const i64 *span = r->bounds + r->rows[i];
        memcpy(at, r->bodies + span[0], (size_t)(span[1] - span[0]));
        at += span[1] - span[0];
    }
    return at;
}

static PyObject *kernel_pack_records(PyObject *Py_UNUSED(self), PyObject *args) {
    PyObject *o[8];
    Py_ssize_t now, room, free;
    buffers held = {.count = 0};
    if (!PyArg_ParseTuple(args, "OOOOOOnnnOO", o, o + 1, o + 2, o + 3, o + 4, o + 5, &now, &room, &free, o + 6, o + 7))
        return NULL;
    TAKE(bodies, o[0], u8, 0);
    TAKE(bounds, o[1], i64, 0);
    TAKE(rows, o[2], i64, 0);
    TAKE(pages, o[3], i64, 0);
    TAKE(names, o[4], u8, 0);
    TAKE(name_bounds, o[5], i64, 0);
    TAKE(out, o[6], u8, 1);
    TAKE(ids, o[7], u32, 1);
    if (!check_bounds(bounds, bounds_n, bodies_n, "bounds")) goto fail;
    if (!check_bounds(name_bounds, name_bounds_n, names_n, "name_bounds")) goto fail;
    REQUIRE(pages_n == rows_n && ids_n == rows_n, "an array of one row a record");
    REQUIRE(now >= 0 && now <= 0xFFFFFFFF, "now");
    REQUIRE(room > 0 && room <= MOST_BODIES, "room");
    REQUIRE(free >= 0 && free <= 0xFFFFFFFF / room - rows_n, "a chunk's number");
    for (Py_ssize_t i = 0; i < rows_n; i++) {
        REQUIRE(rows[i] >= 0 && rows[i] < bounds_n - 1, "a row");
        REQUIRE(pages[i] >= (i ? pages[i - 1] : 0) && pages[i] < name_bounds_n - 1, "a page");
        REQUIRE(name_bounds[pages[i] + 1] - name_bounds[pages[i]] <= LONGEST_NAME, "a page's id");
    }
    new_records records = {.bodies = bodies, .names = names, .bounds = bounds, .rows = rows, .pages = pages,
                           .name_bounds = name_bounds, .count = rows_n, .room = room};
    i64 size, needed = 0;
    for (Py_ssize_t i = 0; i < rows_n; needed += size + 2 * WORD_ROOM) i += measure_chunk(&records, i, &size);
    REQUIRE(out_n >= needed, "out");
    u8 *at = out;
    Py_ssize_t chunks = 0;
    for (Py_ssize_t i = 0, n; i < rows_n; i += n, chunks++) {
        n = measure_chunk(&records, i, &size);
        at = write_length(write_number(at, (u64)(free + chunks)), (u64)size);
        at = write_end(write_chunk(at, &records, i, n, (u64)now));
        for (Py_ssize_t k = 0; k < n; k++) ids[i + k] = (u32)((free + chunks) * room + k);
    }
    release(&held);
    return Py_BuildValue("nn", (Py_ssize_t)(at - out), chunks);
fail:
    release(&held);
    return NULL;
}

/* Where a chunk has the body at a place; nowhere: 0 and 0. */
static void locate_body(const u8 *chunk, i64 size, i64 place, i64 *span) {
    span[0] = span[1] = 0;
    i64 at = CHUNK_LEAD;
    if (size < CHUNK_LEAD || (at += (i64)read_little(chunk, 2)) >= size) return;
    i64 count = chunk[at], origin = at + 1 + 4 * count;
    if (place >= count || origin > size) return;
    i64 start = origin + (i64)read_little(chunk + at + 1 + 4 * place, 4), stop = size;
    if (place + 1 < count) stop = origin + (i64)read_little(chunk + at + 1 + 4 * (place + 1), 4);
    if (start > stop || stop > size) return;
    span[0] = start;
    span[1] = stop;
}

static PyObject *kernel_locate_bodies(PyObject *Py_UNUSED(self), PyObject *args) {
    PyObject *o[5];
    int room;
    buffers held = {.count = 0};
    if (!PyArg_ParseTuple(args, "OOOOiO", o, o + 1, o + 2, o + 3, &room, o + 4)) return NULL;
    TAKE(chunks, o[0], u8, 0);
    TAKE(bounds, o[1], i64, 0);
    TAKE(numbers, o[2], i64, 0);
    TAKE(originals, o[3], i64, 0);
    TAKE(spans, o[4], i64, 1);
    if (!check_bounds(bounds, bounds_n, chunks_n, "bounds")) goto fail;
    REQUIRE(bounds_n == numbers_n + 1 && spans_n == 2 * originals_n && room > 0, "an array of one row an original");
    Py_ssize_t chunk = 0;
    for (Py_ssize_t i = 0; i < originals_n; i++) {
        REQUIRE(originals[i] >= 0 && (!i || originals[i] > originals[i - 1]), "an original");
        while (chunk < numbers_n && numbers[chunk] < originals[i] / room) chunk++;
        spans[2 * i] = spans[2 * i + 1] = 0;
        if (chunk == numbers_n || numbers[chunk] != originals[i] / room) continue;
        const i64 start = bounds[chunk];
        locate_body(chunks + start, bounds[chunk + 1] - start, originals[i] % room, spans + 2 * i);
        if (spans[2 * i + 1]) spans[2 * i] += start, spans[2 * i + 1] += start;
    }
    release(&held);
    Py_RETURN_NONE;
fail:
    release(&held);
    return NULL;
}

#endif
