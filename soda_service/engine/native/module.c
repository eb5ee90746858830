/* The Python module: arguments checked, buffers held, the GIL released. */

#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "rows.h"

extern PyMethodDef picture_methods[]; /* pictures.c */

enum { HEAP, STARTS, LENGTHS, MARKS, SCALES, ZEROS, BLANKS, N_BUFFERS };

static void release(Py_buffer *views, int n)
{
    for (int i = 0; i < n; i++)
        if (views[i].obj)
            PyBuffer_Release(&views[i]);
}

/* Check what each row has of its own; NULL if nothing is wrong. */
static const char *arrays_fault(const Py_buffer *views, const Rows *rows, Py_ssize_t n)
{
    if (views[STARTS].len != 8 * n || views[LENGTHS].len != 8 * n)
        return "starts and lengths are no int64 of the same number";
    if (views[MARKS].obj && views[MARKS].len != 8 * n)
        return "the marks are no pairs of uint32, one a row";
    if (is_float(rows->pixels.kind) && (views[SCALES].len != 8 * n || views[ZEROS].len != 8 * n))
        return "scales and zeros are no float64, one a row";
    if (views[BLANKS].obj && views[BLANKS].len != 4 * n)
        return "the blanks are no int32, one a row";
    return NULL;
}

static void point(Rows *rows, const Py_buffer *views)
{
    rows->heap = views[HEAP].buf;
    rows->heap_bytes = views[HEAP].len;
    rows->starts = views[STARTS].buf;
    rows->lengths = views[LENGTHS].buf;
    rows->marks = views[MARKS].obj ? views[MARKS].buf : NULL;
    rows->scales = views[SCALES].buf;
    rows->zeros = views[ZEROS].buf;
    rows->blanks = views[BLANKS].obj ? views[BLANKS].buf : NULL;
}

/* Take the output: rows at any distance, their pixels side by side. */
static const char *output_fault(Rows *rows, const Py_buffer *out, Py_ssize_t n)
{
    Py_ssize_t size = pixel_bytes(rows->pixels.kind);
    if (out->ndim != 2 || out->shape[0] != n || out->shape[1] != rows->x1 - rows->x0 ||
        out->itemsize != size || out->strides[1] != size)
        return "the output does not fit";
    rows->out = out->buf;
    rows->pitch = out->strides[0];
    return NULL;
}

static int read_blank(PyObject *blank, Pixels *pixels)
{
    if (blank == Py_None)
        return 0;
    long value = PyLong_AsLong(blank);
    if (value == -1 && PyErr_Occurred())
        return -1;
    pixels->has_blank = value >= INT32_MIN && value <= INT32_MAX;
    pixels->blank = pixels->has_blank ? (int32_t)value : 0;
    return 0;
}

/* Give the number of the first damaged row, -1 if none is, -2 without memory. */
static Py_ssize_t decode_all(const Rows *rows, Py_ssize_t n)
{
    Py_ssize_t bad;
    uint32_t *scratch = malloc(LANES * scratch_px(rows) * sizeof *scratch);
    if (!scratch)
        return -2;
    Py_BEGIN_ALLOW_THREADS
    bad = (Py_ssize_t)decode_rows(rows, n, scratch);
    Py_END_ALLOW_THREADS
    free(scratch);
    return bad;
}

PyDoc_STRVAR(decode_doc,
"decode(codec, bytepix, block, width, x0, x1, heap, starts, lengths, marks, marks_x, kind, dither,\n"
"       blank, scales, zeros, blanks, seed, out)\n--\n\n"
"Decode columns x0 to x1 of rows; give the number of the first damaged one, -1 if none is.");

static PyObject *decode(PyObject *module, PyObject *args)
{
    Rows rows;
    Py_buffer views[N_BUFFERS], out;
    PyObject *blank, *target, *result = NULL;
    int bytepix, block, kind;
    long long width, x0, x1, marks_x, seed;
    (void)module;
    memset(&rows, 0, sizeof rows);
    memset(views, 0, sizeof views);
    memset(&out, 0, sizeof out);
    if (!PyArg_ParseTuple(args, "iiiLLLy*y*y*z*LCiOz*z*z*LO", &rows.codec, &bytepix, &block, &width,
                          &x0, &x1, &views[HEAP], &views[STARTS], &views[LENGTHS], &views[MARKS],
                          &marks_x, &kind, &rows.pixels.dither, &blank, &views[SCALES],
                          &views[ZEROS], &views[BLANKS], &seed, &target))
        return NULL;
    rows.width = width, rows.x0 = x0, rows.x1 = x1, rows.marks_x = marks_x, rows.seed = seed;
    rows.pixels.kind = (char)kind;
    if (read_blank(blank, &rows.pixels) ||
        PyObject_GetBuffer(target, &out, PyBUF_WRITABLE | PyBUF_STRIDES))
        goto done;
    Py_ssize_t n = views[STARTS].len / 8;
    point(&rows, views);
    const char *fault = rows_fault(&rows, bytepix, block);
    if (!fault)
        fault = arrays_fault(views, &rows, n);
    if (!fault)
        fault = output_fault(&rows, &out, n);
    if (fault) {
        PyErr_SetString(PyExc_ValueError, fault);
        goto done;
    }
    Py_ssize_t bad = decode_all(&rows, n);
    result = bad == -2 ? PyErr_NoMemory() : PyLong_FromSsize_t(bad);
done:
    release(views, N_BUFFERS);
    release(&out, 1);
    return result;
}

static Py_ssize_t mark_all(const Rows *rows, Py_ssize_t n, int64_t step, uint32_t *marks)
{
    Py_ssize_t bad = -1;
    uint32_t *scratch = malloc((size_t)rows->rice.block * sizeof *scratch);
    if (!scratch)
        return -2;
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t i = 0; i < n && bad < 0; i++)
        if (mark_row(rows, i, n, step, marks, scratch))
            bad = i;
    Py_END_ALLOW_THREADS
    free(scratch);
    return bad;
}

PyDoc_STRVAR(marks_doc,
"marks(bytepix, block, width, step, heap, starts, lengths, out)\n--\n\n"
"Find (bit, pixel before) of rows of RICE_1 at the columns step, 2 step, ...; `out` has pairs of\n"
"uint32 for each column and row. Give the number of the first damaged row, -1 if none is.");

static PyObject *marks(PyObject *module, PyObject *args)
{
    Rows rows;
    Py_buffer views[4];
    PyObject *result = NULL;
    int bytepix, block;
    long long width, step;
    const char *fault = NULL;
    (void)module;
    memset(&rows, 0, sizeof rows);
    memset(views, 0, sizeof views);
    if (!PyArg_ParseTuple(args, "iiLLy*y*y*w*", &bytepix, &block, &width, &step, &views[HEAP],
                          &views[STARTS], &views[LENGTHS], &views[3]))
        return NULL;
    Py_ssize_t n = views[STARTS].len / 8;
    rows.heap = views[HEAP].buf, rows.heap_bytes = views[HEAP].len;
    rows.starts = views[STARTS].buf, rows.lengths = views[LENGTHS].buf;
    rows.width = width;
    if (width < 1 || width > INT32_MAX || block > BLOCK_MAX || rice_of(&rows.rice, bytepix, block))
        fault = "no such BYTEPIX, BLOCKSIZE or width";
    else if (step < 1 || step % block)
        fault = "the step is no multiple of the block";
    else if (views[STARTS].len != 8 * n || views[LENGTHS].len != 8 * n ||
             views[3].len != (Py_ssize_t)((width - 1) / step) * n * 8)
        fault = "the arrays do not fit";
    if (fault) {
        PyErr_SetString(PyExc_ValueError, fault);
    } else {
        Py_ssize_t bad = mark_all(&rows, n, step, views[3].buf);
        result = bad == -2 ? PyErr_NoMemory() : PyLong_FromSsize_t(bad);
    }
    release(views, 4);
    return result;
}

PyDoc_STRVAR(sum_words_doc,
"sum_words(buffer)\n--\n\n"
"Sum big-endian 32-bit words in ones' complement, zeros after the end.");

static PyObject *py_sum_words(PyObject *module, PyObject *buffer)
{
    Py_buffer view;
    uint32_t total;
    (void)module;
    if (PyObject_GetBuffer(buffer, &view, PyBUF_SIMPLE))
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    total = sum_words(view.buf, view.len);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&view);
    return PyLong_FromUnsignedLong(total);
}

PyDoc_STRVAR(count_positive_doc,
"count_positive(buffer, size)\n--\n\nCount big-endian floats of 4 or 8 bytes that are above 0.");

static PyObject *count_positive(PyObject *module, PyObject *args)
{
    Py_buffer view;
    int size;
    long long count = 0;
    (void)module;
    if (!PyArg_ParseTuple(args, "y*i", &view, &size))
        return NULL;
    if (size != 4 && size != 8) {
        PyBuffer_Release(&view);
        PyErr_SetString(PyExc_ValueError, "floats have 4 or 8 bytes");
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    count = size == 4 ? count_floats(view.buf, view.len / 4) : count_doubles(view.buf, view.len / 8);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&view);
    return PyLong_FromLongLong(count);
}

static PyMethodDef methods[] = {
    {"decode", decode, METH_VARARGS, decode_doc},
    {"marks", marks, METH_VARARGS, marks_doc},
    {"sum_words", py_sum_words, METH_O, sum_words_doc},
    {"count_positive", count_positive, METH_VARARGS, count_positive_doc},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_native", "Compiled loops of the engine.", -1, methods,
    NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__native(void)
{
    make_randoms();
    PyObject *module = PyModule_Create(&definition);
    if (module && PyModule_AddFunctions(module, picture_methods)) {
        Py_DECREF(module);
        return NULL;
    }
    return module;
}
