/* RICE_1 (FITS standard 4.0, 10.4.1): differences of neighbouring pixels in blocks that share a
 * number of low bits. A stream is not to be trusted: one that ends early is damaged. */

#ifndef SODA_RICE_H
#define SODA_RICE_H

#include "bits.h"

typedef struct {
    int bytepix; /* 1, 2 or 4 */
    int block;   /* pixels that share a number of low bits */
    int id_bits, raw_id, raw_bits;
} Rice;

static int rice_of(Rice *rice, int bytepix, int block)
{
    if (block < 1)
        return -1;
    rice->bytepix = bytepix;
    rice->block = block;
    switch (bytepix) {
    case 1: rice->id_bits = 3; rice->raw_id = 6; rice->raw_bits = 8; return 0;
    case 2: rice->id_bits = 4; rice->raw_id = 14; rice->raw_bits = 16; return 0;
    case 4: rice->id_bits = 5; rice->raw_id = 25; rice->raw_bits = 32; return 0;
    default: return -1;
    }
}

static inline uint32_t unfold(uint32_t folded)
{
    return (folded >> 1) ^ (0u - (folded & 1));
}

/* A difference: zeros, a one, and low bits. The zeros may be more than a window holds; a one that
 * lies in the window beyond those that count is reached by the next refill. */
static inline int take_coded(Bits *bits, int low_bits, uint32_t *folded)
{
    uint32_t zeros = 0;
    int more;
    refill(bits);
    while ((more = bits->window ? __builtin_clzll(bits->window) : 64) >= bits->count) {
        if (bits->count <= 0)
            return -1;
        zeros += (uint32_t)bits->count;
        bits->window = bits->count < 64 ? bits->window << bits->count : 0;
        bits->count = 0;
        refill(bits);
    }
    zeros += (uint32_t)more;
    bits->window = bits->window << more << 1;
    bits->count -= more + 1;
    if (bits->count < low_bits)
        refill(bits);
    *folded = zeros << low_bits;
    if (low_bits) {
        *folded |= (uint32_t)(bits->window >> (64 - low_bits));
        bits->window <<= low_bits;
        bits->count -= low_bits;
    }
    return bits->count < 0 ? -1 : 0;
}

/* Decode one block of n pixels after the pixel `last`; gives the last of them. */
static inline int rice_block(const Rice *rice, Bits *bits, uint32_t *last, uint32_t *out, int n)
{
    uint32_t pixel = *last, folded;
    int id = (int)take(bits, rice->id_bits) - 1;
    if (bits->count < 0 || id > rice->raw_id)
        return -1;
    if (id < 0) {
        for (int i = 0; i < n; i++)
            out[i] = pixel;
        return 0;
    }
    if (id == rice->raw_id) {
        for (int i = 0; i < n; i++) {
            folded = take(bits, rice->raw_bits);
            out[i] = pixel += unfold(folded);
        }
    } else {
        for (int i = 0; i < n; i++) {
            if (take_coded(bits, id, &folded))
                return -1;
            out[i] = pixel += unfold(folded);
        }
    }
    *last = pixel;
    return bits->count < 0 ? -1 : 0;
}

/* Where decoding begins: a bit of the stream, the pixel that it tells, the value of the one before. */
typedef struct {
    int64_t bit, x;
    uint32_t last;
} RiceStart;

static int rice_begin(const Rice *rice, const uint8_t *row, int64_t length, RiceStart *start)
{
    if (length < rice->bytepix)
        return -1;
    start->x = 0;
    start->bit = 8 * rice->bytepix;
    start->last = 0;
    for (int i = 0; i < rice->bytepix; i++)
        start->last = start->last << 8 | row[i];
    return 0;
}

/* Decode the pixels [x0, x1) of a row of `width` pixels into `scratch`, which has room for them and
 * two blocks more; gives where pixel x0 is there, or NULL where the stream is damaged. */
static const uint32_t *rice_row(const Rice *rice, const uint8_t *row, int64_t length,
                                const RiceStart *start, int64_t x0, int64_t x1, int64_t width,
                                uint32_t *scratch)
{
    Bits bits;
    uint32_t last = start->last;
    int64_t x = start->x, kept = 0;
    if (start_bits(&bits, row, length, start->bit))
        return NULL;
    while (x < x1) {
        int n = rice->block < width - x ? rice->block : (int)(width - x);
        if (rice_block(rice, &bits, &last, scratch + kept, n))
            return NULL;
        x += n;
        if (x > x0)
            kept += n;
    }
    return scratch + (kept - (x - x0));
}

/* Give (bit, pixel before) at the columns step, 2 step, ... below `width`; `step` is a multiple of
 * the block. Mark k of this row lies at marks[2 * k * stride]. */
static int rice_marks(const Rice *rice, const uint8_t *row, int64_t length, int64_t width,
                      int64_t step, int64_t stride, uint32_t *marks, uint32_t *scratch)
{
    Bits bits;
    RiceStart start;
    if (rice_begin(rice, row, length, &start) || start_bits(&bits, row, length, start.bit))
        return -1;
    uint32_t last = start.last;
    for (int64_t x = 0; x + step < width; x += step, marks += 2 * stride) {
        for (int64_t n = 0; n < step; n += rice->block)
            if (rice_block(rice, &bits, &last, scratch, rice->block))
                return -1;
        marks[0] = (uint32_t)((bits.next - row) * 8 - bits.count);
        marks[1] = last;
    }
    return 0;
}

#endif
