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

/* Decode n pixels of a block whose number of low bits, `id`, was read; `last` becomes the last. */
static inline int rice_body(const Rice *rice, Bits *bits, int id, uint32_t *last, uint32_t *out,
                            int n)
{
    uint32_t pixel = *last, folded;
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

/* Read what a block begins with; -2 where the stream is damaged. */
static inline int rice_id(const Rice *rice, Bits *bits)
{
    int id = (int)take(bits, rice->id_bits) - 1;
    return bits->count < 0 || id > rice->raw_id ? -2 : id;
}

/* Decode one block of n pixels after the pixel `last`; gives the last of them. */
static inline int rice_block(const Rice *rice, Bits *bits, uint32_t *last, uint32_t *out, int n)
{
    int id = rice_id(rice, bits);
    return id < -1 ? -1 : rice_body(rice, bits, id, last, out, n);
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

/* Rows that are decoded side by side. Each pixel waits for the one before it in its row; the rows
 * do not wait for each other, which takes a third of the time away; four lanes gain no more. */
#define LANES 2

/* As take_coded, for what the quick way of a lane cannot do. */
static __attribute__((noinline)) int take_coded_slowly(Bits *bits, int low_bits, uint32_t *folded)
{
    return take_coded(bits, low_bits, folded);
}

/* One pixel of a lane whose state lies in registers: zeros, a one and the low bits at once. */
#define LANE_PIXEL(bits, low, pixel, out)                                                          \
    do {                                                                                           \
        uint32_t folded;                                                                           \
        int zeros = __builtin_clzll(bits.window | 1), taken = zeros + 1 + low;                     \
        if (__builtin_expect(taken > bits.count, 0)) {                                             \
            Bits slow = bits;                                                                      \
            if (take_coded_slowly(&slow, low, &folded))                                            \
                return -1;                                                                         \
            bits = slow;                                                                           \
        } else {                                                                                   \
            /* The one stands above the low bits: 2^low too much. */                               \
            folded = ((uint32_t)zeros - 1) * (1u << low) + (uint32_t)(bits.window >> (64 - taken)); \
            bits.window <<= taken;                                                                 \
            bits.count -= taken;                                                                   \
        }                                                                                          \
        *out++ = pixel += unfold(folded);                                                          \
    } while (0)

/* Decode n pixels of a block in each lane; all are coded with low bits. A window holds two pixels
 * nearly always; where it does not, the slow way fills it up. */
static inline int rice_lanes_body(Bits *bits, const int *ids, uint32_t *last,
                                  uint32_t *restrict *out, int n)
{
    Bits bits0 = bits[0], bits1 = bits[1];
    uint32_t last0 = last[0], last1 = last[1], *restrict out0 = out[0], *restrict out1 = out[1];
    const int low0 = ids[0], low1 = ids[1];
    for (int i = 0; i < n; i++) {
        if (!(i & 1)) {
            refill(&bits0);
            refill(&bits1);
        }
        LANE_PIXEL(bits0, low0, last0, out0);
        LANE_PIXEL(bits1, low1, last1, out1);
    }
    bits[0] = bits0, bits[1] = bits1;
    last[0] = last0, last[1] = last1;
    return 0;
}

/* As rice_row for LANES rows at once, which begin at one pixel; -1 where any is damaged. */
static int rice_lanes(const Rice *rice, const uint8_t *const *rows, const int64_t *lengths,
                      const RiceStart *starts, int64_t x0, int64_t x1, int64_t width,
                      uint32_t *const *scratch, const uint32_t **found)
{
    Bits bits[LANES];
    uint32_t last[LANES], *restrict out[LANES];
    int ids[LANES];
    int64_t x = starts[0].x, kept = 0;
    for (int lane = 0; lane < LANES; lane++) {
        last[lane] = starts[lane].last;
        if (start_bits(&bits[lane], rows[lane], lengths[lane], starts[lane].bit))
            return -1;
    }
    while (x < x1) {
        int n = rice->block < width - x ? rice->block : (int)(width - x), coded = 1;
        for (int lane = 0; lane < LANES; lane++) {
            ids[lane] = rice_id(rice, &bits[lane]);
            if (ids[lane] < -1)
                return -1;
            coded &= ids[lane] >= 0 && ids[lane] < rice->raw_id;
            out[lane] = scratch[lane] + kept;
        }
        if (coded) {
            if (rice_lanes_body(bits, ids, last, out, n))
                return -1;
        } else {
            for (int lane = 0; lane < LANES; lane++)
                if (rice_body(rice, &bits[lane], ids[lane], &last[lane], out[lane], n))
                    return -1;
        }
        x += n;
        if (x > x0)
            kept += n;
    }
    for (int lane = 0; lane < LANES; lane++)
        found[lane] = scratch[lane] + (kept - (x - x0));
    return 0;
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
