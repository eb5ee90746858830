/* Rows of a tile-compressed image, each a stream of its own, decoded into big-endian pixels.
 *
 * Nothing here knows Python: the fuzzer calls it as it is. */

#ifndef SODA_ROWS_H
#define SODA_ROWS_H

#include <stdlib.h>

#include "pixels.h"
#include "plio.h"
#include "rice.h"

#define BLOCK_MAX 65536 /* FITS writers use 16 or 32 */

enum { RICE, PLIO };

/* What all rows of a call share. */
typedef struct {
    int codec;
    Rice rice;
    Pixels pixels;
    int64_t width, x0, x1;
    const uint8_t *heap;
    int64_t heap_bytes;
    const int64_t *starts, *lengths;
    const uint32_t *marks; /* (bit, pixel before) of each row at marks_x; or NULL */
    int64_t marks_x;
    const double *scales, *zeros; /* of each row, for floats */
    const int32_t *blanks;        /* of each row; or NULL */
    int64_t seed;                 /* of the first row */
    uint8_t *out;
    int64_t pitch; /* bytes from row to row of the output */
} Rows;

static int pixel_bytes(char kind)
{
    switch (kind) {
    case 'B': return 1;
    case 'h': return 2;
    case 'i': case 'f': return 4;
    case 'd': return 8;
    default: return 0;
    }
}

static int is_float(char kind) { return kind == 'f' || kind == 'd'; }

/* Tell what is wrong with the numbers of a call, apart from the rows'; NULL if nothing is. */
static const char *rows_fault(Rows *rows, int bytepix, int block)
{
    if (rows->codec != RICE && rows->codec != PLIO)
        return "no such codec";
    if (rows->codec == RICE && (block > BLOCK_MAX || rice_of(&rows->rice, bytepix, block)))
        return "no such BYTEPIX or BLOCKSIZE";
    if (rows->x0 < 0 || rows->x0 >= rows->x1 || rows->x1 > rows->width || rows->width > INT32_MAX)
        return "the columns are not within the row";
    if (!pixel_bytes(rows->pixels.kind) || rows->pixels.dither < 0 || rows->pixels.dither > 2)
        return "no such pixels";
    if (rows->marks && (rows->codec != RICE || rows->marks_x < 0 || rows->marks_x > rows->x0 ||
                        rows->marks_x % block))
        return "the marks do not fit";
    return NULL;
}

/* Pixels that decoding needs room for. */
static size_t scratch_px(const Rows *rows)
{
    int64_t blocks = rows->codec == RICE ? 2 * rows->rice.block : 0;
    return (size_t)(rows->x1 - rows->x0 + blocks);
}

/* Find the stream of row i; -1 where it is not within the heap. */
static int stream_of(const Rows *rows, int64_t i, const uint8_t **stream, int64_t *length)
{
    int64_t start = rows->starts[i];
    *length = rows->lengths[i];
    if (start < 0 || *length < 0 || start > rows->heap_bytes || *length > rows->heap_bytes - start)
        return -1;
    *stream = rows->heap + start;
    return 0;
}

/* Find where decoding of row i begins; -1 where its stream is too short. */
static int start_of(const Rows *rows, int64_t i, const uint8_t *stream, int64_t length,
                    RiceStart *start)
{
    if (!rows->marks || !rows->marks_x)
        return rice_begin(&rows->rice, stream, length, start);
    start->bit = rows->marks[2 * i];
    start->last = rows->marks[2 * i + 1];
    start->x = rows->marks_x;
    return 0;
}

static const uint32_t *integers_of(const Rows *rows, int64_t i, const uint8_t *stream,
                                   int64_t length, uint32_t *scratch)
{
    RiceStart start;
    if (rows->codec == PLIO)
        return plio_row(stream, length, rows->x0, rows->x1, scratch) ? NULL : scratch;
    if (start_of(rows, i, stream, length, &start))
        return NULL;
    return rice_row(&rows->rice, stream, length, &start, rows->x0, rows->x1, rows->width, scratch);
}

/* Store the decoded integers of row i as pixels. */
static void put_row(const Rows *rows, int64_t i, const uint32_t *from)
{
    int64_t n = rows->x1 - rows->x0;
    Pixels pixels = rows->pixels;
    uint8_t *out = rows->out + i * rows->pitch;
    if (!is_float(pixels.kind)) {
        put_integers(&pixels, from, n, out);
        return;
    }
    if (rows->blanks) {
        pixels.has_blank = 1;
        pixels.blank = rows->blanks[i];
    }
    if (pixels.dither)
        put_dithered(&pixels, from, n, rows->seed + i, rows->x0, rows->scales[i], rows->zeros[i],
                     out);
    else
        put_plain(&pixels, from, n, rows->scales[i], rows->zeros[i], out);
}

/* Decode row i; -1 where its stream is damaged. A row without stream is left alone. */
static int decode_row(const Rows *rows, int64_t i, uint32_t *scratch)
{
    const uint8_t *stream;
    int64_t length;
    if (rows->lengths[i] == 0)
        return 0;
    if (stream_of(rows, i, &stream, &length))
        return -1;
    const uint32_t *from = integers_of(rows, i, stream, length, scratch);
    if (!from)
        return -1;
    put_row(rows, i, from);
    return 0;
}

/* Decode LANES rows from i on, side by side; -1 where that cannot be done: one has no stream, or
 * is damaged. */
static int decode_lanes(const Rows *rows, int64_t i, uint32_t *scratch)
{
    const uint8_t *streams[LANES];
    const uint32_t *found[LANES];
    uint32_t *rooms[LANES];
    int64_t lengths[LANES];
    RiceStart starts[LANES];
    for (int lane = 0; lane < LANES; lane++) {
        rooms[lane] = scratch + (size_t)lane * scratch_px(rows);
        if (rows->lengths[i + lane] == 0 ||
            stream_of(rows, i + lane, &streams[lane], &lengths[lane]) ||
            start_of(rows, i + lane, streams[lane], lengths[lane], &starts[lane]))
            return -1;
    }
    if (rice_lanes(&rows->rice, streams, lengths, starts, rows->x0, rows->x1, rows->width, rooms,
                   found))
        return -1;
    for (int lane = 0; lane < LANES; lane++)
        put_row(rows, i + lane, found[lane]);
    return 0;
}

/* Decode n rows with room for LANES rows; gives the number of the first damaged one, or -1. */
static int64_t decode_rows(const Rows *rows, int64_t n, uint32_t *scratch)
{
    int64_t i = 0;
    while (i < n) {
        if (rows->codec == RICE && n - i >= LANES && !decode_lanes(rows, i, scratch)) {
            i += LANES;
            continue;
        }
        /* One by one, which tells which of them is damaged. */
        for (int64_t end = n - i < LANES ? n : i + LANES; i < end; i++)
            if (decode_row(rows, i, scratch))
                return i;
    }
    return -1;
}

/* Find the marks of row i of n, which lie at marks[2 * (k * n + i)]; -1 where it is damaged. */
static int mark_row(const Rows *rows, int64_t i, int64_t n, int64_t step, uint32_t *marks,
                    uint32_t *scratch)
{
    const uint8_t *stream;
    int64_t length;
    if (rows->lengths[i] == 0)
        return 0;
    if (stream_of(rows, i, &stream, &length) || length > UINT32_MAX / 8)
        return -1;
    return rice_marks(&rows->rice, stream, length, rows->width, step, n, marks + 2 * i, scratch);
}

/* ---- sums -------------------------------------------------------------------------------- */

/* Sum big-endian 32-bit words in ones' complement, zeros after the end. */
static uint32_t sum_words(const uint8_t *data, int64_t n)
{
    uint64_t total = 0;
    while (n >= 4) {
        /* Carries cannot be lost: 2^31 words fit in 63 bits. */
        int64_t words = n / 4 < INT32_MAX ? n / 4 : INT32_MAX;
        for (int64_t i = 0; i < words; i++) {
            uint32_t word;
            memcpy(&word, data + 4 * i, 4);
            total += from_be32(word);
        }
        data += 4 * words;
        n -= 4 * words;
        total = (total & 0xFFFFFFFF) + (total >> 32);
    }
    if (n) {
        uint32_t word = 0;
        memcpy(&word, data, (size_t)n);
        total += from_be32(word);
    }
    while (total >> 32)
        total = (total & 0xFFFFFFFF) + (total >> 32);
    return (uint32_t)total;
}

/* Count big-endian floats above 0: as an integer such a float is between 1 and infinity's bits. */
static int64_t count_floats(const uint8_t *data, int64_t n)
{
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++) {
        uint32_t word;
        memcpy(&word, data + 4 * i, 4);
        count += from_be32(word) - 1 < 0x7F800000;
    }
    return count;
}

static int64_t count_doubles(const uint8_t *data, int64_t n)
{
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++)
        count += load_be64(data + 8 * i) - 1 < UINT64_C(0x7FF0000000000000);
    return count;
}

#endif
