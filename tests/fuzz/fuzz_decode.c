/* Feeds the decoder of compressed rows whatever a fuzzer thinks of: libFuzzer with the address and
 * undefined-behaviour sanitizers, without Python. `make fuzz` builds and runs it.
 *
 * The first bytes choose the call; all else is the heap with the row's stream. */

#include "rows.h"

#define HEAD 24
#define N_ROWS 3 /* two side by side, and one by itself */

typedef struct {
    const uint8_t *next;
} Reader;

static uint32_t number(Reader *reader, int bytes)
{
    uint32_t value = 0;
    for (int i = 0; i < bytes; i++)
        value = value << 8 | *reader->next++;
    return value;
}

/* A row decoded by itself must be what it was beside others. */
static void compare_alone(const Rows *rows, uint32_t *scratch)
{
    uint8_t *alone = malloc((size_t)(N_ROWS * rows->pitch));
    Rows single = *rows;
    single.out = alone;
    for (int i = 0; i < N_ROWS; i++) {
        if (rows->lengths[i] && decode_row(&single, i, scratch))
            break; /* this row and those after it were not decoded */
        if (rows->lengths[i] && memcmp(alone + i * rows->pitch, rows->out + i * rows->pitch,
                                       (size_t)rows->pitch))
            abort();
    }
    free(alone);
}

static void decode_and_mark(Rows *rows, int block)
{
    int64_t n = rows->x1 - rows->x0, size = pixel_bytes(rows->pixels.kind);
    uint32_t *scratch = malloc(LANES * scratch_px(rows) * sizeof *scratch);
    /* Exactly as large as it must be: the sanitizer sees a byte beyond. */
    rows->out = malloc((size_t)(N_ROWS * n * size));
    rows->pitch = n * size;
    decode_rows(rows, N_ROWS, scratch);
    compare_alone(rows, scratch);
    free(scratch);
    free(rows->out);
    int64_t step = block * 4;
    if (rows->codec != RICE || rows->width <= step)
        return;
    uint32_t *marks = malloc((size_t)((rows->width - 1) / step * 2) * sizeof *marks);
    uint32_t *room = malloc((size_t)block * sizeof *room);
    mark_row(rows, 0, 1, step, marks, room);
    free(marks);
    free(room);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    make_randoms();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int bytepix[] = {1, 2, 4, 4};
    static const char kinds[] = "BhifdBhf";
    if (size < HEAD)
        return 0;
    Reader reader = {data};
    Rows rows;
    memset(&rows, 0, sizeof rows);
    rows.codec = number(&reader, 1) & 1;
    int bytes = bytepix[number(&reader, 1) & 3], block = 1 + (int)(number(&reader, 1) & 63);
    rows.pixels.kind = kinds[number(&reader, 1) & 7];
    rows.pixels.dither = (int)(number(&reader, 1) % 3);
    rows.pixels.has_blank = (int)(number(&reader, 1) & 1);
    rows.pixels.blank = (int32_t)number(&reader, 4);
    rows.width = 1 + (number(&reader, 2) & 0x3FFF);
    rows.x0 = number(&reader, 2) % rows.width;
    rows.x1 = rows.x0 + 1 + number(&reader, 2) % (rows.width - rows.x0);
    rows.seed = number(&reader, 2);
    uint32_t marks[2 * N_ROWS];
    marks[0] = number(&reader, 2), marks[1] = number(&reader, 2);
    for (int i = 2; i < 2 * N_ROWS; i++)
        marks[i] = marks[i - 2];
    /* All three are the same stream, but the second lacks its last byte, and the third its first. */
    int64_t length = (int64_t)(size - HEAD);
    const int64_t starts[N_ROWS] = {0, 0, length > 0};
    const int64_t lengths[N_ROWS] = {length, length - (length > 0), length - (length > 0)};
    const double scales[N_ROWS] = {0.37, 1e30, 1}, zeros[N_ROWS] = {-5.0, 0, 1e300};
    rows.starts = starts, rows.lengths = lengths, rows.scales = scales, rows.zeros = zeros;
    if (rows.codec == RICE && marks[0] & 1) {
        rows.marks = marks;
        rows.marks_x = rows.x0 / block * block;
    }
    /* On the heap by itself, so that reading beyond is seen. */
    uint8_t *heap = malloc((size_t)length ? (size_t)length : 1);
    memcpy(heap, data + HEAD, (size_t)length);
    rows.heap = heap, rows.heap_bytes = length;
    if (!rows_fault(&rows, bytes, block))
        decode_and_mark(&rows, block);
    free(heap);
    return 0;
}
