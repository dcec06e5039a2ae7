/* The buffers of one call from Python: taken, checked, released together whatever happens.
 *
 * A function takes arrays (any C-contiguous buffer of the dtype that its twin names) and fills arrays
 * that the caller allocated. Sizes and offsets are checked before a loop starts, so a wrong call is a
 * ValueError, not a crash. Python.h comes before this.
 */
#ifndef DEDUP_BUFFERS_H
#define DEDUP_BUFFERS_H

#include "common.h"

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

#endif
