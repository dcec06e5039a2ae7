/* The kernel as a Python module: the functions of the *_binding.h files under their names.
 *
 * Docstrings are those of the twins in ../reference, which have the same names and signatures.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "bodies_binding.h"
#include "buckets_binding.h"
#include "index_binding.h"
#include "lines_binding.h"
#include "records_binding.h"
#include "screen_binding.h"
#include "texts_binding.h"
#include "wire_binding.h"

static PyMethodDef METHODS[] = {
    {"scan_lines", kernel_scan_lines, METH_VARARGS, KERNEL_SCAN_LINES_DOC},
    {"sketch", kernel_sketch, METH_VARARGS, NULL},
    {"normalise", kernel_normalise, METH_VARARGS, NULL},
    {"minhash", kernel_minhash, METH_VARARGS, NULL},
    {"trace_keys", kernel_trace_keys, METH_VARARGS, NULL},
    {"judge", kernel_judge, METH_VARARGS, NULL},
    {"check_blocks", kernel_check_blocks, METH_VARARGS, NULL},
    {"add_values", kernel_add_values, METH_VARARGS, NULL},
    {"apply_entries", kernel_apply_entries, METH_VARARGS, NULL},
    {"withdraw_page", kernel_withdraw_page, METH_VARARGS, NULL},
    {"release_unclaimed", kernel_release_unclaimed, METH_VARARGS, NULL},
    {"release_expired", kernel_release_expired, METH_VARARGS, NULL},
    {"move_postings", kernel_move_postings, METH_VARARGS, NULL},
    {"forward_records", kernel_forward_records, METH_O, NULL},
    {"slide_records", kernel_slide_records, METH_O, NULL},
    {"list_postings", kernel_list_postings, METH_VARARGS, NULL},
    {"pack_bodies", kernel_pack_bodies, METH_VARARGS, NULL},
    {"pack_records", kernel_pack_records, METH_VARARGS, NULL},
    {"locate_bodies", kernel_locate_bodies, METH_VARARGS, NULL},
    {"locate_postings", kernel_locate_postings, METH_VARARGS, NULL},
    {"find_postings", kernel_find_postings, METH_VARARGS, NULL},
    {"screen_blocks", kernel_screen_blocks, METH_VARARGS, NULL},
    {"choose_postings", kernel_choose_postings, METH_VARARGS, NULL},
    {"add_postings", kernel_add_postings, METH_VARARGS, NULL},
    {"renew_buckets", kernel_renew_buckets, METH_VARARGS, NULL},
    {"pack_words", kernel_pack_words, METH_VARARGS, NULL},
    {"join_values", kernel_join_values, METH_VARARGS, NULL},
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
