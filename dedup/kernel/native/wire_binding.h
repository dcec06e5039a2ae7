/* What goes to a shared store and comes from it, for those whose thousands of words take time: pack_words
 * and join_values. */
#ifndef DEDUP_WIRE_BINDING_H
#define DEDUP_WIRE_BINDING_H

#include "buffers.h"
#include "words.h"

static PyObject *kernel_pack_words(PyObject *Py_UNUSED(self), PyObject *args) {
    PyObject *o[2];
    buffers held = {.count = 0};
    if (!PyArg_ParseTuple(args, "OO", o, o + 1)) return NULL;
    TAKE(numbers, o[0], i64, 0);
    TAKE(out, o[1], u8, 1);
    REQUIRE(out_n >= WORD_ROOM * numbers_n, "out");
    for (Py_ssize_t i = 0; i < numbers_n; i++) REQUIRE(numbers[i] >= 0, "a number");
    u8 *at = out;
    for (Py_ssize_t i = 0; i < numbers_n; i++) at = write_number(at, (u64)numbers[i]);
    release(&held);
    return PyLong_FromSsize_t(at - out);
fail:
    release(&held);
    return NULL;
}

/* The bytes of an item of a list, none of None; NULL with an error set. */
static const char *value_at(PyObject *values, Py_ssize_t i, Py_ssize_t *size) {
    PyObject *value = PyList_GetItem(values, i);
    char *bytes = "";
    *size = 0;
    if (value == Py_None) return bytes;
    return value && PyBytes_AsStringAndSize(value, &bytes, size) == 0 ? bytes : NULL;
}

static PyObject *kernel_join_values(PyObject *Py_UNUSED(self), PyObject *args) {
    PyObject *values, *o, *joined = NULL;
    buffers held = {.count = 0};
    if (!PyArg_ParseTuple(args, "OO", &values, &o)) return NULL;
    TAKE(bounds, o, i64, 1);
    if (!PyList_Check(values)) {
        PyErr_SetString(PyExc_TypeError, "values are a list");
        goto fail;
    }
    const Py_ssize_t n = PyList_Size(values);
    REQUIRE(bounds_n == n + 1, "bounds");
    Py_ssize_t size;
    bounds[0] = 0;
    for (Py_ssize_t i = 0; i < n; i++) {
        if (!value_at(values, i, &size)) goto fail;
        bounds[i + 1] = bounds[i] + size;
    }
    if (!(joined = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)bounds[n]))) goto fail;
    char *out = PyBytes_AsString(joined);
    for (Py_ssize_t i = 0; i < n; i++) {
        const char *value = value_at(values, i, &size);
        memcpy(out + bounds[i], value, (size_t)size);
    }
    release(&held);
    return joined;
fail:
    release(&held);
    return NULL;
}

#endif
