/* scan_lines as Python calls it. Checks that every array is as large as the scan assumes, then lets
 * the GIL go. Holds no policy; lines.h does the work. The module includes Python.h before this. */
#ifndef DEDUP_LINES_BINDING_H
#define DEDUP_LINES_BINDING_H

#include "lines.h"

#define KERNEL_SCAN_LINES_DOC \
    "scan_lines(buffer, page_bounds, fields, line_bounds, /)\n--\n\n" \
    "Describes the lines of text pages that are not blank.\n\n" \
    "Args:\n" \
    "    buffer: bytes, the pages in UTF-8 (lone surrogates as three bytes), one after the other.\n" \
    "    page_bounds: int64[pages + 1], where each page begins and ends in `buffer`, ascending.\n" \
    "    fields: int64[9, capacity], written: a column for each line, a row for each fact: START,\n" \
    "        END, CHAR_START, CHAR_END, NUMBER, INDENT, EDGE, FIRST, FLAGS.\n" \
    "    line_bounds: int64[pages + 1], written: the columns of each page's lines.\n\n" \
    "Returns:\n" \
    "    How many lines there are. Beyond `capacity` they are counted, not described: call again\n" \
    "    with that capacity.\n\n" \
    "Raises:\n" \
    "    ValueError: the arrays do not fit together.\n"

static PyObject *kernel_scan_lines(PyObject *Py_UNUSED(self), PyObject *args) {
    Py_buffer buffer, page_bounds, fields, line_bounds;
    const int64_t *bounds;
    int64_t pages, capacity, lines;
    PyObject *result = NULL;

    if (!PyArg_ParseTuple(args, "y*y*w*w*", &buffer, &page_bounds, &fields, &line_bounds))
        return NULL;
    bounds = page_bounds.buf;
    pages = page_bounds.len / 8 - 1;
    capacity = fields.len / (8 * LINE_FIELDS);
    if (pages < 0 || page_bounds.len % 8 || line_bounds.len != page_bounds.len) {
        PyErr_SetString(PyExc_ValueError,
                        "page_bounds and line_bounds: give int64[pages + 1] both");
        goto done;
    }
    if (fields.len % (8 * LINE_FIELDS)) {
        PyErr_SetString(PyExc_ValueError, "fields: give int64[9, capacity]");
        goto done;
    }
    for (int64_t page = 0; page <= pages; page++) {
        if (bounds[page] < (page ? bounds[page - 1] : 0) || bounds[page] > buffer.len) {
            PyErr_SetString(PyExc_ValueError,
                            "page_bounds: give ascending offsets within the buffer");
            goto done;
        }
    }
    Py_BEGIN_ALLOW_THREADS
    lines = scan_lines(buffer.buf, bounds, pages, fields.buf, capacity, line_bounds.buf);
    Py_END_ALLOW_THREADS
    result = PyLong_FromLongLong(lines);
done:
    PyBuffer_Release(&buffer);
    PyBuffer_Release(&page_bounds);
    PyBuffer_Release(&fields);
    PyBuffer_Release(&line_bounds);
    return result;
}

#endif
