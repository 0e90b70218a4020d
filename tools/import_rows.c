#include "tools/import_rows.h"

#include "base/assert.h"
#include "tools/members.h"

#include <csv.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_SIZE = 64 * 1024, COLUMNS_MAX = 16, CELL_MAX = 256, ROWS_PER_CHUNK_MAX = CHUNK_SIZE };

enum column_kind { COLUMN_ID, COLUMN_NUMBER, COLUMN_FLAGS };

struct column {
    const char *name;
    enum column_kind kind;
    size_t offset;
    size_t size; /* bytes of the field */
    bool required;
};

#define COLUMN(record, field, type, must)                                                          \
    {                                                                                              \
#field, type, offsetof(struct record, field), sizeof(((struct record *)0)->field), must    \
    }

static const struct column ACCOUNT_COLUMNS[] = {
    COLUMN(account, id, COLUMN_ID, true),
    COLUMN(account, ledger, COLUMN_NUMBER, true),
    COLUMN(account, code, COLUMN_NUMBER, true),
    COLUMN(account, flags, COLUMN_FLAGS, false),
    COLUMN(account, user_data_128, COLUMN_ID, false),
    COLUMN(account, user_data_64, COLUMN_NUMBER, false),
    COLUMN(account, user_data_32, COLUMN_NUMBER, false),
    COLUMN(account, timestamp, COLUMN_NUMBER, false),
};

static const struct column TRANSFER_COLUMNS[] = {
    COLUMN(transfer, id, COLUMN_ID, true),
    COLUMN(transfer, debit_account_id, COLUMN_ID, true),
    COLUMN(transfer, credit_account_id, COLUMN_ID, true),
    COLUMN(transfer, amount, COLUMN_NUMBER, true),
    COLUMN(transfer, ledger, COLUMN_NUMBER, true),
    COLUMN(transfer, code, COLUMN_NUMBER, true),
    COLUMN(transfer, flags, COLUMN_FLAGS, false),
    COLUMN(transfer, pending_id, COLUMN_ID, false),
    COLUMN(transfer, timeout, COLUMN_NUMBER, false),
    COLUMN(transfer, user_data_128, COLUMN_ID, false),
    COLUMN(transfer, user_data_64, COLUMN_NUMBER, false),
    COLUMN(transfer, user_data_32, COLUMN_NUMBER, false),
    COLUMN(transfer, timestamp, COLUMN_NUMBER, false),
};

static const char *const ACCOUNT_FLAGS[] = { "linked",
                                             "debits_must_not_exceed_credits",
                                             "credits_must_not_exceed_debits",
                                             "history",
                                             "imported",
                                             "closed" };
static const char *const TRANSFER_FLAGS[] = { "linked",
                                              "pending",
                                              "post_pending_transfer",
                                              "void_pending_transfer",
                                              "balancing_debit",
                                              "balancing_credit",
                                              "closing_debit",
                                              "closing_credit",
                                              "imported",
                                              "capture_pending_transfer" };

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A parsed row waits here for import_rows_next. */
struct row {
    _Alignas(16) uint8_t record[EVENT_SIZE];
    uint64_t number;
    uint32_t given; /* a bit for each kind of column whose cell is not empty */
    bool malformed;
    char reason[ERROR_TEXT_MAX];
};

struct import_rows {
    char path[1024];
    FILE *file;
    struct csv_parser parser;
    bool transfers;
    const struct column *columns;
    size_t column_kinds;
    const struct column *order[COLUMNS_MAX]; /* of the file's columns */
    size_t order_count;
    bool begun; /* something of the file has been read */
    uint64_t row_number;
    bool have_header;
    bool ended;
    size_t cell; /* of the row being parsed */
    char header[COLUMNS_MAX][64];
    struct row current;
    struct row *queue;
    size_t queue_count;
    size_t queue_at;
    size_t queue_room;
    struct error header_error;
};

/* --- cells --- */

static bool parse_hex(const char *text, size_t size, u128 *value)
{
    *value = 0;
    if (size == 0 || size > 32) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        const char *digits = "0123456789abcdefABCDEF";
        const char *digit = strchr(digits, text[i]);
        if (digit == NULL || text[i] == '\0') {
            return false;
        }
        unsigned nibble = (unsigned)(digit - digits);
        *value = (*value << 4) | (nibble > 15 ? nibble - 6 : nibble);
    }
    return true;
}

bool import_parse_id(const char *text, size_t size, u128 *value)
{
    if (size > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
        return parse_hex(text + 2, size - 2, value);
    }
    if (size == UUID_TEXT_SIZE - 1 && text[8] == '-') {
        struct error error;
        return uuid_parse(text, value, &error) == STATUS_OK;
    }
    return u128_parse(text, size, value);
}

static bool flag_bit(const struct import_rows *rows, const char *name, size_t size, u128 *bits)
{
    const char *const *names = rows->transfers ? TRANSFER_FLAGS : ACCOUNT_FLAGS;
    size_t count = rows->transfers ? COUNT(TRANSFER_FLAGS) : COUNT(ACCOUNT_FLAGS);
    for (size_t i = 0; i < count; i++) {
        if (strlen(names[i]) == size && strncmp(names[i], name, size) == 0) {
            *bits |= (u128)1 << i;
            return true;
        }
    }
    return false;
}

static bool parse_flags(const struct import_rows *rows, const char *text, size_t size, u128 *value)
{
    if (u128_parse(text, size, value)) {
        return true;
    }
    *value = 0;
    for (const char *at = text;; at++) { /* behind the separator */
        size_t name_size = strcspn(at, "|");
        if (!flag_bit(rows, at, name_size, value)) {
            return false;
        }
        at += name_size;
        if (*at == '\0') {
            return at == text + size; /* else a zero byte stands in the cell */
        }
    }
}

static void refuse(struct import_rows *rows, const struct column *column, const char *text,
                   const char *expected)
{
    if (!rows->current.malformed) {
        rows->current.malformed = true;
        (void)snprintf(rows->current.reason, sizeof rows->current.reason,
                       "%s \"%.80s\": expected %s", column->name, text, expected);
    }
}

static bool parse_cell(const struct import_rows *rows, const struct column *column,
                       const char *text, size_t size, u128 *value)
{
    switch (column->kind) {
    case COLUMN_ID:
        return import_parse_id(text, size, value);
    case COLUMN_NUMBER:
        return u128_parse(text, size, value);
    case COLUMN_FLAGS:
        break;
    }
    return parse_flags(rows, text, size, value);
}

/* What is too large, or no value at all, is told with what there may be. */
static void refuse_value(struct import_rows *rows, const struct column *column, const char *text)
{
    char most[U128_DECIMAL_MAX];
    char expected[128];
    u128_print(U128_MAX >> (128 - 8 * column->size), most);
    static const char *const KINDS[] = {
        [COLUMN_ID] = "a decimal number, 0x and hex digits, or a UUID,",
        [COLUMN_NUMBER] = "a decimal number",
        [COLUMN_FLAGS] = "names of flags joined by |, or a number",
    };
    (void)snprintf(expected, sizeof expected, "%s of at most %s", KINDS[column->kind], most);
    refuse(rows, column, text, expected);
}

static void set_cell(struct import_rows *rows, const struct column *column, const char *text,
                     size_t size)
{
    u128 value = 0;
    if (size == 0) {
        return; /* 0, where nothing need be said */
    }
    rows->current.given |= 1U << (column - rows->columns);
    if (!parse_cell(rows, column, text, size, &value) ||
        value > U128_MAX >> (128 - 8 * column->size)) {
        refuse_value(rows, column, text);
        return;
    }
    memcpy(rows->current.record + column->offset, &value, column->size);
}

/* Whether the row must say what the column has. What resolves a pending transfer inherits most of
 * it; what it posts or captures is never left to an empty cell, which would be nothing. */
static bool must_say(const struct import_rows *rows, const struct column *column)
{
    struct transfer transfer;
    if (!column->required || !rows->transfers || column->offset == offsetof(struct transfer, id)) {
        return column->required;
    }
    memcpy(&transfer, rows->current.record, sizeof transfer);
    if (column->offset == offsetof(struct transfer, amount)) {
        return (transfer.flags & TRANSFER_VOID_PENDING) == 0;
    }
    return (transfer.flags & TRANSFER_RESOLVING) == 0;
}

static void check_required(struct import_rows *rows)
{
    for (size_t k = 0; k < rows->column_kinds; k++) {
        if ((rows->current.given >> k & 1) == 0 && must_say(rows, &rows->columns[k])) {
            refuse_value(rows, &rows->columns[k], "");
        }
    }
}

/* --- rows --- */

static void on_cell(void *data, size_t size, void *context)
{
    struct import_rows *rows = context;
    char text[CELL_MAX];
    size_t kept = size < sizeof text ? size : sizeof text - 1;
    if (kept > 0) {
        memcpy(text, data, kept);
    }
    text[kept] = '\0';
    size_t cell = rows->cell++;
    if (!rows->have_header) {
        if (cell < COLUMNS_MAX) {
            (void)snprintf(rows->header[cell], sizeof rows->header[cell], "%.63s",
                           strlen(text) == size ? text : "(a name with zero bytes)");
        }
        return;
    }
    if (cell < rows->order_count && size < sizeof text) {
        set_cell(rows, rows->order[cell], text, size);
    } else if (cell < rows->order_count) {
        refuse(rows, rows->order[cell], text, "at most 255 characters");
    }
}

static const struct column *find_column(const struct import_rows *rows, const char *name)
{
    for (size_t i = 0; i < rows->column_kinds; i++) {
        if (strcmp(rows->columns[i].name, name) == 0) {
            return &rows->columns[i];
        }
    }
    return NULL;
}

static enum status take_header(struct import_rows *rows)
{
    struct error *error = &rows->header_error;
    if (rows->cell > COLUMNS_MAX) {
        return error_set(error, STATUS_INVALID, "%s: %zu columns, at most %d", rows->path,
                         rows->cell, COLUMNS_MAX);
    }
    for (size_t i = 0; i < rows->cell; i++) {
        rows->transfers = rows->transfers || strcmp(rows->header[i], "debit_account_id") == 0;
    }
    rows->columns = rows->transfers ? TRANSFER_COLUMNS : ACCOUNT_COLUMNS;
    rows->column_kinds = rows->transfers ? COUNT(TRANSFER_COLUMNS) : COUNT(ACCOUNT_COLUMNS);
    for (size_t i = 0; i < rows->cell; i++) {
        rows->order[i] = find_column(rows, rows->header[i]);
        if (rows->order[i] == NULL) {
            return error_set(error, STATUS_INVALID, "%s: unknown column \"%s\" of %s", rows->path,
                             rows->header[i], rows->transfers ? "transfers" : "accounts");
        }
        for (size_t earlier = 0; earlier < i; earlier++) {
            if (rows->order[earlier] == rows->order[i]) {
                return error_set(error, STATUS_INVALID, "%s: the column \"%s\" is there twice",
                                 rows->path, rows->header[i]);
            }
        }
    }
    rows->order_count = rows->cell;
    for (size_t k = 0; k < rows->column_kinds; k++) {
        bool found = !rows->columns[k].required;
        for (size_t i = 0; i < rows->order_count; i++) {
            found = found || rows->order[i] == &rows->columns[k];
        }
        if (!found) {
            return error_set(error, STATUS_INVALID, "%s: the column \"%s\" is missing", rows->path,
                             rows->columns[k].name);
        }
    }
    return STATUS_OK;
}

static void push_row(struct import_rows *rows)
{
    if (rows->cell != rows->order_count) {
        rows->current.malformed = true;
        (void)snprintf(rows->current.reason, sizeof rows->current.reason,
                       "%zu cells, the header has %zu", rows->cell, rows->order_count);
    }
    check_required(rows);
    if (rows->queue_count == rows->queue_room) {
        rows->queue_room = rows->queue_room == 0 ? 1024 : rows->queue_room * 2;
        ASSERT(rows->queue_room <= (size_t)2 * ROWS_PER_CHUNK_MAX);
        struct row *grown = aligned_alloc(16, rows->queue_room * sizeof *grown);
        ASSERT(grown != NULL);
        if (rows->queue_count > 0) {
            memcpy(grown, rows->queue, rows->queue_count * sizeof *grown);
        }
        free(rows->queue);
        rows->queue = grown;
    }
    rows->current.number = rows->row_number;
    rows->queue[rows->queue_count++] = rows->current;
}

static void on_row(int end, void *context)
{
    (void)end;
    struct import_rows *rows = context;
    rows->row_number++;
    if (!rows->have_header) {
        rows->have_header = true;
        rows->header_error.status = STATUS_OK;
        enum status status = take_header(rows);
        ASSERT(status == rows->header_error.status);
    } else if (rows->cell > 0) {
        push_row(rows);
    }
    rows->cell = 0;
    memset(&rows->current, 0, sizeof rows->current);
}

/* Parses the next chunk into the queue. */
static enum status read_chunk(struct import_rows *rows, struct error *error)
{
    char chunk[CHUNK_SIZE];
    rows->queue_count = 0;
    rows->queue_at = 0;
    size_t size = fread(chunk, 1, sizeof chunk, rows->file);
    const char *start = chunk;
    if (ferror(rows->file) != 0) {
        return error_set_errno(error, errno != 0 ? errno : EIO, "cannot read %s", rows->path);
    }
    if (!rows->begun && size >= 3 && memcmp(chunk, "\xEF\xBB\xBF", 3) == 0) {
        start += 3;
    }
    size_t parse_size = size - (size_t)(start - chunk);
    rows->begun = true;
    if (csv_parse(&rows->parser, start, parse_size, on_cell, on_row, rows) != parse_size) {
        return error_set(error, STATUS_INVALID, "%s: row %llu: %s", rows->path,
                         (unsigned long long)rows->row_number + 1,
                         csv_strerror(csv_error(&rows->parser)));
    }
    if (size == 0) {
        rows->ended = true;
        if (csv_fini(&rows->parser, on_cell, on_row, rows) != 0) {
            return error_set(error, STATUS_INVALID, "%s: the file ends inside a quoted cell",
                             rows->path);
        }
    }
    if (rows->have_header && rows->header_error.status != STATUS_OK) {
        *error = rows->header_error;
        return error->status;
    }
    return STATUS_OK;
}

enum status import_rows_open(const char *path, struct import_rows **rows_out, struct error *error)
{
    struct import_rows *rows = aligned_alloc(16, (sizeof *rows + 15) / 16 * 16);
    ASSERT(rows != NULL);
    memset(rows, 0, sizeof *rows);
    (void)snprintf(rows->path, sizeof rows->path, "%s", path);
    rows->file = fopen(path, "rb");
    if (rows->file == NULL) {
        enum status status = error_set_errno(error, errno, "cannot open %s", path);
        free(rows);
        return status;
    }
    int result = csv_init(&rows->parser, CSV_STRICT | CSV_STRICT_FINI | CSV_APPEND_NULL);
    ASSERT(result == 0);
    enum status status = STATUS_OK;
    while (status == STATUS_OK && !rows->have_header && !rows->ended) {
        status = read_chunk(rows, error);
    }
    if (status == STATUS_OK && !rows->have_header) {
        status =
            error_set(error, STATUS_INVALID, "%s: empty; the first row names the columns", path);
    }
    if (status != STATUS_OK) {
        import_rows_close(rows);
        return status;
    }
    *rows_out = rows;
    return STATUS_OK;
}

void import_rows_close(struct import_rows *rows)
{
    (void)fclose(rows->file);
    csv_free(&rows->parser);
    free(rows->queue);
    free(rows);
}

bool import_rows_are_transfers(const struct import_rows *rows)
{
    return rows->transfers;
}

enum status import_rows_next(struct import_rows *rows, void *record, uint64_t *number,
                             struct error *error)
{
    while (rows->queue_at == rows->queue_count) {
        if (rows->ended) {
            return STATUS_NOT_FOUND;
        }
        TRY(read_chunk(rows, error));
    }
    const struct row *row = &rows->queue[rows->queue_at++];
    *number = row->number;
    if (row->malformed) {
        return error_set(error, STATUS_INVALID, "%s:%llu: %s", rows->path,
                         (unsigned long long)row->number, row->reason);
    }
    memcpy(record, row->record, EVENT_SIZE);
    return STATUS_OK;
}
