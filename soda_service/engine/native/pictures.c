/* The part of the Python module that paints: arguments checked, buffers held, the GIL released. */

#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "levels.h"
#include "pictures.h"

enum { RED, GREEN, BLUE, BLACKS, GAINS, ENTRIES, OUT, N_BUFFERS };

static void release(Py_buffer *views)
{
    for (int i = 0; i < N_BUFFERS; i++)
        if (views[i].obj)
            PyBuffer_Release(&views[i]);
}

/* Take the output: bytes at any distance, of pixels as many as each of the bands has. */
static const char *canvas_fault(Canvas *canvas, Py_buffer *views, int n_bands, PyObject *target)
{
    Py_buffer *out = &views[OUT];
    if (PyObject_GetBuffer(target, out, PyBUF_WRITABLE | PyBUF_STRIDES)) {
        PyErr_Clear();
        return "the output cannot be written to";
    }
    int channels = n_bands == 1 ? 0 : 1;
    if (out->itemsize != 1 || out->ndim != 2 + channels || (channels && out->shape[2] != n_bands))
        return "the output is no array of bytes of that shape";
    for (int i = 0; i < n_bands; i++)
        if (views[i].len % 4 || views[i].len / 4 != out->len / n_bands)
            return "the bands are no float32 of the output's number of pixels";
    canvas->first = out->buf;
    canvas->rows = out->shape[0];
    canvas->columns = out->shape[1];
    canvas->row_step = out->strides[0];
    canvas->column_step = out->strides[1];
    canvas->channel_step = channels ? out->strides[2] : 0;
    return NULL;
}

/* The table must reach from its first float to 1. */
static const char *levels_fault(Levels *levels, const Py_buffer *entries)
{
    const uint32_t one = 0x3F800000;
    if (levels->shift < 0 || levels->shift > 23 || levels->first > one || entries->len % 4 ||
        (uint64_t)entries->len / 4 <= (one - levels->first) >> levels->shift)
        return "the table of levels does not reach to 1";
    levels->entries = entries->buf;
    levels->lowest = bits_float(levels->first);
    return NULL;
}

static PyObject *ended(Py_buffer *views, const char *fault)
{
    release(views);
    if (fault) {
        PyErr_SetString(PyExc_ValueError, fault);
        return NULL;
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(stiff_doc,
"paint_stiff(red, green, blue, blacks, gains, share, entries, first, shift, out)\n--\n\n"
"Paint three bands of float32 by the STIFF method; blacks and gains are three float32 each.");

static PyObject *py_paint_stiff(PyObject *module, PyObject *args)
{
    Stiff how;
    Canvas canvas;
    Py_buffer views[N_BUFFERS];
    PyObject *target;
    (void)module;
    memset(views, 0, sizeof views);
    if (!PyArg_ParseTuple(args, "y*y*y*y*y*dy*IiO", &views[RED], &views[GREEN], &views[BLUE],
                          &views[BLACKS], &views[GAINS], &how.share, &views[ENTRIES],
                          &how.levels.first, &how.levels.shift, &target))
        return NULL;
    const char *fault = levels_fault(&how.levels, &views[ENTRIES]);
    if (!fault && (views[BLACKS].len != sizeof how.black || views[GAINS].len != sizeof how.gain))
        fault = "blacks and gains are no three float32";
    if (!fault)
        fault = canvas_fault(&canvas, views, 3, target);
    if (!fault) {
        memcpy(how.black, views[BLACKS].buf, sizeof how.black);
        memcpy(how.gain, views[GAINS].buf, sizeof how.gain);
        for (int i = 0; i < 3; i++)
            how.bands[i] = views[i].buf;
        Py_BEGIN_ALLOW_THREADS
        paint_stiff(&how, &canvas);
        Py_END_ALLOW_THREADS
    }
    return ended(views, fault);
}

PyDoc_STRVAR(grey_doc,
"paint_grey(band, black, gain, entries, first, shift, out)\n--\n\n"
"Paint one band of float32 in grey.");

static PyObject *py_paint_grey(PyObject *module, PyObject *args)
{
    Levels levels;
    Canvas canvas;
    Py_buffer views[N_BUFFERS];
    PyObject *target;
    float black, gain;
    (void)module;
    memset(views, 0, sizeof views);
    if (!PyArg_ParseTuple(args, "y*ffy*IiO", &views[RED], &black, &gain, &views[ENTRIES],
                          &levels.first, &levels.shift, &target))
        return NULL;
    const char *fault = levels_fault(&levels, &views[ENTRIES]);
    if (!fault)
        fault = canvas_fault(&canvas, views, 1, target);
    if (!fault) {
        Py_BEGIN_ALLOW_THREADS
        paint_grey(views[RED].buf, black, gain, &levels, &canvas);
        Py_END_ALLOW_THREADS
    }
    return ended(views, fault);
}

PyDoc_STRVAR(lupton_doc,
"paint_lupton(red, green, blue, black, soften, slope, out)\n--\n\n"
"Paint three bands of float32 by the method of Lupton et al. (2004).");

static PyObject *py_paint_lupton(PyObject *module, PyObject *args)
{
    Lupton how;
    Canvas canvas;
    Py_buffer views[N_BUFFERS];
    PyObject *target;
    (void)module;
    memset(views, 0, sizeof views);
    if (!PyArg_ParseTuple(args, "y*y*y*fffO", &views[RED], &views[GREEN], &views[BLUE], &how.black,
                          &how.soften, &how.slope, &target))
        return NULL;
    const char *fault = canvas_fault(&canvas, views, 3, target);
    if (!fault) {
        for (int i = 0; i < 3; i++)
            how.bands[i] = views[i].buf;
        Py_BEGIN_ALLOW_THREADS
        paint_lupton(&how, &canvas);
        Py_END_ALLOW_THREADS
    }
    return ended(views, fault);
}

PyDoc_STRVAR(left_out_doc,
"left_out(values, median, enough)\n--\n\n"
"Select the median of an odd number of float32, in place, and give the last of them as long as\n"
"that is not known to be above `enough`.");

static PyObject *py_left_out(PyObject *module, PyObject *args)
{
    Py_buffer values;
    float median, enough, last = 0;
    (void)module;
    if (!PyArg_ParseTuple(args, "w*ff", &values, &median, &enough))
        return NULL;
    int is_odd = values.len % 8 == 4;
    if (is_odd) {
        Py_BEGIN_ALLOW_THREADS
        last = left_out(values.buf, values.len / 4, median, enough);
        Py_END_ALLOW_THREADS
    } else {
        PyErr_SetString(PyExc_ValueError, "the values are no odd number of float32");
    }
    PyBuffer_Release(&values);
    return is_odd ? PyFloat_FromDouble(last) : NULL;
}

PyMethodDef picture_methods[] = {
    {"paint_stiff", py_paint_stiff, METH_VARARGS, stiff_doc},
    {"paint_grey", py_paint_grey, METH_VARARGS, grey_doc},
    {"paint_lupton", py_paint_lupton, METH_VARARGS, lupton_doc},
    {"left_out", py_left_out, METH_VARARGS, left_out_doc},
    {NULL, NULL, 0, NULL},
};
