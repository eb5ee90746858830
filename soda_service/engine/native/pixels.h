/* From decoded integers to big-endian pixels: quantised floats by FITS standard 4.0, 10.2, with the
 * random numbers of its appendix I.
 *
 * Compile with -ffp-contract=off: a fused multiply-add changes the last bit of dithered values. */

#ifndef SODA_PIXELS_H
#define SODA_PIXELS_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define N_RANDOM 10000
#define ZERO_VALUE (-2147483646)

static float randoms[N_RANDOM];

/* Park and Miller's generator, so that every program subtracts the same dither. */
static void make_randoms(void)
{
    int64_t seed = 1;
    for (int i = 0; i < N_RANDOM; i++) {
        seed = seed * 16807 % 2147483647;
        randoms[i] = (float)((double)seed / 2147483647.0);
    }
}

typedef struct {
    char kind;  /* B, h, i: integers of 1, 2, 4 bytes; f, d: quantised floats of 4, 8 */
    int dither; /* 0 none, 1 and 2: SUBTRACTIVE_DITHER_1, _2 */
    int has_blank;
    int32_t blank;
} Pixels;

static inline void store16(uint8_t *to, uint16_t value)
{
    to[0] = (uint8_t)(value >> 8);
    to[1] = (uint8_t)value;
}

static inline uint32_t from_be32(uint32_t word)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return word;
#else
    return __builtin_bswap32(word);
#endif
}

static inline void store32(uint8_t *to, uint32_t value)
{
    value = from_be32(value);
    memcpy(to, &value, 4);
}

static inline void store_float(uint8_t *to, char kind, double value)
{
    if (kind == 'f') {
        float single = (float)value;
        uint32_t word;
        memcpy(&word, &single, 4);
        store32(to, word);
    } else {
        uint64_t word;
        memcpy(&word, &value, 8);
        store32(to, (uint32_t)(word >> 32));
        store32(to + 4, (uint32_t)word);
    }
}

static void put_integers(const Pixels *pixels, const uint32_t *from, int64_t n, uint8_t *to)
{
    switch (pixels->kind) {
    case 'B':
        for (int64_t i = 0; i < n; i++)
            to[i] = (uint8_t)from[i];
        break;
    case 'h':
        for (int64_t i = 0; i < n; i++)
            store16(to + 2 * i, (uint16_t)from[i]);
        break;
    default:
        for (int64_t i = 0; i < n; i++)
            store32(to + 4 * i, from[i]);
    }
}

/* Floats without dither. */
static void put_plain(const Pixels *pixels, const uint32_t *from, int64_t n, double scale,
                      double zero, uint8_t *to)
{
    int size = pixels->kind == 'f' ? 4 : 8;
    for (int64_t i = 0; i < n; i++) {
        int32_t value = (int32_t)from[i];
        int is_blank = pixels->has_blank && value == pixels->blank;
        store_float(to + size * i, pixels->kind, is_blank ? (double)NAN : value * scale + zero);
    }
}

/* The random number of pixel x of a row: the table is gone through from a start that the row
 * gives; at its end, from the start that the next number gives. */
typedef struct {
    int seed, next;
} Dither;

static void start_dither(Dither *dither, int64_t row_seed, int64_t x)
{
    dither->seed = (int)((row_seed % N_RANDOM + N_RANDOM) % N_RANDOM);
    dither->next = (int)(randoms[dither->seed] * 500.0);
    while (x >= N_RANDOM - dither->next) {
        x -= N_RANDOM - dither->next;
        dither->seed = (dither->seed + 1) % N_RANDOM;
        dither->next = (int)(randoms[dither->seed] * 500.0);
    }
    dither->next += (int)x;
}

static inline void put_stretch(const Pixels *pixels, char kind, const uint32_t *from,
                               const float *random, int64_t n, double scale, double zero,
                               uint8_t *to)
{
    int size = kind == 'f' ? 4 : 8;
    for (int64_t i = 0; i < n; i++) {
        int32_t value = (int32_t)from[i];
        double pixel = ((double)value - random[i] + 0.5) * scale + zero;
        if (pixels->dither == 2 && value == ZERO_VALUE)
            pixel = 0.0;
        if (pixels->has_blank && value == pixels->blank)
            pixel = (double)NAN;
        store_float(to + size * i, kind, pixel);
    }
}

static void put_dithered(const Pixels *pixels, const uint32_t *from, int64_t n, int64_t row_seed,
                         int64_t x, double scale, double zero, uint8_t *to)
{
    Dither dither;
    int size = pixels->kind == 'f' ? 4 : 8;
    start_dither(&dither, row_seed, x);
    while (n > 0) {
        int64_t part = N_RANDOM - dither.next < n ? N_RANDOM - dither.next : n;
        const float *random = randoms + dither.next;
        if (size == 4)
            put_stretch(pixels, 'f', from, random, part, scale, zero, to);
        else
            put_stretch(pixels, 'd', from, random, part, scale, zero, to);
        from += part;
        to += size * part;
        n -= part;
        dither.seed = (dither.seed + 1) % N_RANDOM;
        dither.next = (int)(randoms[dither.seed] * 500.0);
    }
}

#endif
