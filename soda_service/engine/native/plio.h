/* PLIO_1 (FITS standard 4.0, 10.4.3): masks as runs of equal values, in 16-bit instructions. */

#ifndef SODA_PLIO_H
#define SODA_PLIO_H

#include <stdint.h>

static inline int32_t word_at(const uint8_t *row, int64_t i)
{
    return (int16_t)(row[2 * i] << 8 | row[2 * i + 1]);
}

/* The columns [x0, x1) that are wanted, and where they go. */
typedef struct {
    int64_t x0, x1;
    uint32_t *out;
} Span;

static inline void fill(const Span *span, int64_t from, int64_t to, uint32_t value)
{
    if (from < span->x0)
        from = span->x0;
    if (to > span->x1)
        to = span->x1;
    for (int64_t x = from; x < to; x++)
        span->out[x - span->x0] = value;
}

/* Decode the pixels [x0, x1) of a row; those after its last instruction are 0. */
static int plio_row(const uint8_t *row, int64_t length, int64_t x0, int64_t x1, uint32_t *out)
{
    const Span span = {x0, x1, out};
    int64_t words = length / 2, i, end, x = 0;
    int32_t high = 1;
    if (words < 3)
        return -1;
    if (word_at(row, 2) > 0) {
        end = word_at(row, 2);
        i = 3;
    } else {
        if (words < 7)
            return -1;
        end = ((int64_t)word_at(row, 4) * 32768) + word_at(row, 3);
        i = word_at(row, 1);
    }
    if (i < 0 || end < 0 || end > words)
        return -1;
    while (i < end && x < x1) {
        int32_t word = word_at(row, i++) & 0xFFFF;
        int32_t count = word & 0xFFF;
        switch (word >> 12) {
        case 0: /* zeros */
            fill(&span, x, x + count, 0);
            x += count;
            break;
        case 1: /* a new high value, of two words */
            if (i >= end)
                return -1;
            high = (int32_t)((uint32_t)word_at(row, i++) << 12) + count;
            break;
        case 2: high = (int32_t)((uint32_t)high + (uint32_t)count); break;
        case 3: high = (int32_t)((uint32_t)high - (uint32_t)count); break;
        case 4: /* high values */
            fill(&span, x, x + count, (uint32_t)high);
            x += count;
            break;
        case 5: /* zeros, and one high value at their end */
            fill(&span, x, x + count - 1, 0);
            if (count)
                fill(&span, x + count - 1, x + count, (uint32_t)high);
            x += count;
            break;
        case 6:
        case 7: /* another high value, at one pixel */
            high = (int32_t)((uint32_t)high + (word >> 12 == 6 ? 1u : -1u) * (uint32_t)count);
            fill(&span, x, x + 1, (uint32_t)high);
            x++;
            break;
        default: return -1;
        }
    }
    fill(&span, x, x1, 0);
    return 0;
}

#endif
