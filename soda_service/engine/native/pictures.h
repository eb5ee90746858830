/* Pixels to 8-bit pictures: the loops of engine.lupton and engine.stiff, which do the same
 * operations in the same order with numpy and so give the same bytes.
 *
 * Compile with -ffp-contract=off, for the same reason. Nothing here needs the C library: powers
 * come as a table, logarithms as a series. */

#ifndef SODA_PICTURES_H
#define SODA_PICTURES_H

#include <math.h>
#include <stdint.h>
#include <string.h>

/* The same loops once more for processors that have wider registers, chosen when loaded. */
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#define FOR_WIDE_REGISTERS __attribute__((target_clones("avx2", "default")))
#else
#define FOR_WIDE_REGISTERS
#endif

#define STRIP_PX 512 /* worked on at a time: its values stay in the fastest cache */

static inline uint32_t float_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, 4);
    return bits;
}

static inline float bits_float(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

/* None of these drops a NaN that comes first. */
static inline float at_least_0(float value) { return value < 0 ? 0 : value; }
static inline float at_most(float value, float limit) { return value > limit ? limit : value; }
static inline float larger(float one, float other) { return one < other ? other : one; }

/* Where the levels go: rows, pixels and channels at any distance, also backwards. */
typedef struct {
    uint8_t *first;
    int64_t rows, columns;
    int64_t row_step, column_step, channel_step;
} Canvas;

/* From values to levels: each bin of floats with equal leading bits has at most one threshold, and
 * its entry is such that the sum with a value's bits carries at that threshold. */
typedef struct {
    const uint32_t *entries;
    uint32_t first; /* bits of the first bin's first float */
    float lowest;   /* that float, below all thresholds; the last bin is that of 1 */
    int shift;      /* bits that count within a bin */
} Levels;

/* The bits of a value between the lowest and 1, counted from the first bin; of NaN, none. */
static inline uint32_t level_bits(const Levels *levels, float value)
{
    value = value > levels->lowest ? value : levels->lowest;
    return float_bits(value < 1 ? value : 1) - levels->first;
}

static inline uint8_t level_of(const Levels *levels, uint32_t bits)
{
    return (uint8_t)((levels->entries[bits >> levels->shift] + bits) >> levels->shift);
}

/* ---- STIFF ------------------------------------------------------------------------------- */

#define FAINTEST 1e-15f /* intensities that are not above it are black, and infinite ones */

typedef struct {
    const float *bands[3];
    float black[3], gain[3];
    double share; /* a third of the saturation */
    Levels levels;
} Stiff;

/* Give the bits that stand for levels. */
FOR_WIDE_REGISTERS
static void stiff_bits(const Stiff *how, int64_t from, int n, uint32_t *restrict red,
                       uint32_t *restrict green, uint32_t *restrict blue)
{
    const float *in_red = how->bands[0] + from, *in_green = how->bands[1] + from;
    const float *in_blue = how->bands[2] + from;
    const Stiff kept = *how; /* nothing that is written can change it */
    const double share = kept.share;
    const float third = 1.0f / 3.0f;
    for (int i = 0; i < n; i++) {
        float r = in_red[i], g = in_green[i], b = in_blue[i];
        /* 0, or NaN where a pixel is NaN or infinite. */
        float hole = (r - r) + (g - g) + (b - b);
        r = (r - kept.black[0]) * kept.gain[0];
        g = (g - kept.black[1]) * kept.gain[1];
        b = (b - kept.black[2]) * kept.gain[2];
        float light = at_least_0(r) * third + at_least_0(g) * third + at_least_0(b) * third;
        float lit = (light + hole > FAINTEST) & (light < INFINITY) ? 1.0f : 0.0f;
        r = at_most(r, 1);
        g = at_most(g, 1);
        b = at_most(b, 1);
        red[i] = level_bits(&kept.levels, (float)(light + share * (2.0 * r - g - b)) * lit);
        green[i] = level_bits(&kept.levels, (float)(light + share * (2.0 * g - r - b)) * lit);
        blue[i] = level_bits(&kept.levels, (float)(light + share * (2.0 * b - r - g)) * lit);
    }
}

static void paint_stiff(const Stiff *how, const Canvas *canvas)
{
    uint32_t bits[3][STRIP_PX];
    const Levels levels = how->levels;
    for (int64_t y = 0; y < canvas->rows; y++) {
        for (int64_t x = 0; x < canvas->columns; x += STRIP_PX) {
            int n = (int)(canvas->columns - x < STRIP_PX ? canvas->columns - x : STRIP_PX);
            uint8_t *to = canvas->first + y * canvas->row_step + x * canvas->column_step;
            stiff_bits(how, y * canvas->columns + x, n, bits[0], bits[1], bits[2]);
            for (int i = 0; i < n; i++, to += canvas->column_step)
                for (int c = 0; c < 3; c++)
                    to[c * canvas->channel_step] = level_of(&levels, bits[c][i]);
        }
    }
}

/* ---- one band ---------------------------------------------------------------------------- */

static void paint_grey(const float *band, float black, float gain, const Levels *table,
                       const Canvas *canvas)
{
    const Levels levels = *table;
    for (int64_t y = 0; y < canvas->rows; y++) {
        uint8_t *to = canvas->first + y * canvas->row_step;
        for (int64_t x = 0; x < canvas->columns; x++, to += canvas->column_step) {
            float pixel = *band++;
            *to = level_of(&levels, level_bits(&levels, (pixel - black) * gain + (pixel - pixel)));
        }
    }
}

/* ---- Lupton ------------------------------------------------------------------------------ */

typedef struct {
    const float *bands[3];
    float black, soften, slope;
} Lupton;

/* asinh(u) for u >= 0, as log(1 + y): engine.lupton tells how. */
static inline float area_sinh(float u)
{
    float c = at_most(u, 8192.0f);
    float root = larger(sqrtf(c * c + 1), u);
    float y = u / (root + 1) * u + u;
    float t = y + 1;
    uint32_t bits = float_bits(t), k = (bits - 0x3F3504F3u) >> 23;
    float lost = (y - (t - 1)) * bits_float(0x3F800000u - (k << 23));
    float above = bits_float(bits - (k << 23)) - 1 + lost;
    float s = above / (above + 2);
    float w = s * s;
    float series = (((w * (2.0f / 9) + 2.0f / 7) * w + 2.0f / 5) * w + 2.0f / 3) * w + 2;
    return s * series + (float)(int32_t)k * 0.693147182f;
}

FOR_WIDE_REGISTERS
static void lupton_levels(const Lupton *how, int64_t from, int n, uint8_t *restrict red,
                          uint8_t *restrict green, uint8_t *restrict blue)
{
    const float *in_red = how->bands[0] + from, *in_green = how->bands[1] + from;
    const float *in_blue = how->bands[2] + from;
    const float black = how->black, soften = how->soften, slope = how->slope;
    const float third = 1.0f / 3.0f;
    for (int i = 0; i < n; i++) {
        float r = in_red[i] - black, g = in_green[i] - black, b = in_blue[i] - black;
        float light = (r + g + b) * third;
        float factor = area_sinh(at_least_0(light * soften)) * slope / light;
        r = at_least_0(r * factor);
        g = at_least_0(g * factor);
        b = at_least_0(b * factor);
        float most = larger(larger(r, g), b);
        int is_over = most > 255;
        /* Divided in this order, the brightest band comes out at 255 exactly, not just below. */
        r = is_over ? r / most * 255 : r;
        g = is_over ? g / most * 255 : g;
        b = is_over ? b / most * 255 : b;
        int has_value = r + g + b >= 0; /* not NaN, which is no level on some machines */
        red[i] = (uint8_t)(int)(has_value ? r : 0);
        green[i] = (uint8_t)(int)(has_value ? g : 0);
        blue[i] = (uint8_t)(int)(has_value ? b : 0);
    }
}

static void paint_lupton(const Lupton *how, const Canvas *canvas)
{
    uint8_t levels[3][STRIP_PX];
    for (int64_t y = 0; y < canvas->rows; y++) {
        for (int64_t x = 0; x < canvas->columns; x += STRIP_PX) {
            int n = (int)(canvas->columns - x < STRIP_PX ? canvas->columns - x : STRIP_PX);
            uint8_t *to = canvas->first + y * canvas->row_step + x * canvas->column_step;
            lupton_levels(how, y * canvas->columns + x, n, levels[0], levels[1], levels[2]);
            for (int i = 0; i < n; i++, to += canvas->column_step)
                for (int c = 0; c < 3; c++)
                    to[c * canvas->channel_step] = levels[c][i];
        }
    }
}

#endif
