/* Which pixel the STIFF program leaves out of the upper half of an odd number of pixels. */

#ifndef SODA_LEVELS_H
#define SODA_LEVELS_H

#include <stdint.h>

#define LISTED 256

static inline void swap(float *one, float *other)
{
    float kept = *one;
    *one = *other;
    *other = kept;
}

static inline void put_in_order(float *one, float *other)
{
    if (*one > *other)
        swap(one, other);
}

/* Places of values on the wrong side of a pivot, in the order in which a scan meets them. They are
 * listed ahead, without a branch: which way a value lies cannot be foreseen. */
typedef struct {
    int64_t next, end; /* yet to be scanned, downwards where end < next */
    int n, taken;
    int64_t places[LISTED];
} Scan;

static void list_high(Scan *scan, const float *a, float pivot)
{
    scan->n = scan->taken = 0;
    for (int i = 0; i < LISTED && scan->next < scan->end; i++, scan->next++) {
        scan->places[scan->n] = scan->next;
        scan->n += !(a[scan->next] < pivot);
    }
}

static void list_low(Scan *scan, const float *a, float pivot)
{
    scan->n = scan->taken = 0;
    for (int i = 0; i < LISTED && scan->next > scan->end; i++, scan->next--) {
        scan->places[scan->n] = scan->next;
        scan->n += !(a[scan->next] > pivot);
    }
}

/* Hoare's partition by the value at `first`: give where the pivot ends up, and where the scan from
 * the left stops. Swapped places are never scanned again before the scans have met. */
static int64_t partition(float *a, int64_t first, int64_t last, int64_t *left)
{
    const float pivot = a[first];
    int64_t i = first, j = last;
    Scan up, down;
    up.next = first + 1, up.end = last + 1, up.n = up.taken = 0;
    down.next = last - 1, down.end = first - 1, down.n = down.taken = 0;
    for (;;) {
        while (up.taken == up.n && up.next < up.end)
            list_high(&up, a, pivot);
        while (down.taken == down.n && down.next > down.end)
            list_low(&down, a, pivot);
        if (up.taken == up.n || down.taken == down.n ||
            up.places[up.taken] > down.places[down.taken])
            break;
        i = up.places[up.taken++];
        j = down.places[down.taken++];
        swap(&a[i], &a[j]);
    }
    while (a[++i] < pivot)
        ;
    while (a[--j] > pivot)
        ;
    a[first] = a[j];
    a[j] = pivot;
    *left = i;
    return j;
}

/* Give the last value after a selection of the median by Hoare's partition, the pivot being the
 * middle one of the first, the middle and the last value; engine.levels tells more. It only grows:
 * one above `enough` is as good as the last. */
static float left_out(float *a, int64_t n, float median, float enough)
{
    int64_t low = 0, high = n - 1;
    while (high - low > 1) {
        swap(&a[low + (high - low) / 2], &a[low + 1]);
        put_in_order(&a[low], &a[high]);
        put_in_order(&a[low + 1], &a[high]);
        put_in_order(&a[low], &a[low + 1]);
        /* A pivot above the median ends up behind it: the rest is done left of here. */
        if (a[low + 1] > median || a[high] > enough)
            return a[high];
        if (partition(a, low + 1, high, &low) >= n / 2)
            return a[high];
    }
    return high > low && a[low] > a[high] ? a[low] : a[high];
}

#endif
