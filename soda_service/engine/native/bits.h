/* Bits of a stream, most significant first. Every read is bounded by the stream's end. */

#ifndef SODA_BITS_H
#define SODA_BITS_H

#include <stdint.h>
#include <string.h>

typedef struct {
    const uint8_t *next, *end;
    uint64_t window; /* the next bits, left-aligned; zeros after them */
    int count;       /* how many bits of the window count; below 0: read beyond the end */
} Bits;

static inline uint64_t load_be64(const uint8_t *from)
{
    uint64_t word;
    memcpy(&word, from, 8);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return word;
#else
    return __builtin_bswap64(word);
#endif
}

/* Have at least 56 bits in the window, or all that are left. */
static inline void refill(Bits *bits)
{
    if (bits->end - bits->next >= 8) {
        bits->window |= load_be64(bits->next) >> bits->count;
        bits->next += (63 - bits->count) >> 3;
        bits->count |= 56;
        return;
    }
    while (bits->count < 56 && bits->next < bits->end) { /* so below 64, as above */
        bits->window |= (uint64_t)*bits->next++ << (56 - bits->count);
        bits->count += 8;
    }
}

/* Start at a bit, which must lie within the row. */
static int start_bits(Bits *bits, const uint8_t *row, int64_t length, int64_t bit)
{
    if (bit < 0 || bit > length * 8)
        return -1;
    bits->next = row + (bit >> 3);
    bits->end = row + length;
    bits->window = 0;
    bits->count = 0;
    refill(bits);
    int odd = (int)(bit & 7);
    if (odd > bits->count)
        return -1;
    bits->window <<= odd;
    bits->count -= odd;
    return 0;
}

static inline uint32_t take(Bits *bits, int n) /* 1 <= n <= 32 */
{
    refill(bits);
    uint32_t value = (uint32_t)(bits->window >> (64 - n));
    bits->window <<= n;
    bits->count -= n;
    return value;
}

#endif
