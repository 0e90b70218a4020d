#include "tools/watch_text.h"

#include "tools/members.h"

#include <inttypes.h>

const char *watch_type_name(unsigned kind)
{
    static const char *const names[] = {
        "progress",
        [CHANGE_SINGLE_PHASE] = "single_phase",
        [CHANGE_PENDING] = "two_phase_pending",
        [CHANGE_POSTED] = "two_phase_posted",
        [CHANGE_VOIDED] = "two_phase_voided",
        [CHANGE_EXPIRED] = "two_phase_expired",
        [CHANGE_CAPTURED] = "two_phase_captured",
    };
    return kind < sizeof names / sizeof names[0] ? names[kind] : NULL;
}

/* Of a newer release: its number. */
static const char *type_text(unsigned kind, char text[16])
{
    const char *name = watch_type_name(kind);
    if (name != NULL) {
        return name;
    }
    (void)snprintf(text, 16, "%u", kind);
    return text;
}

static u128 pending_id(const struct query_change *row)
{
    return row->change.kind == CHANGE_EXPIRED ? row->transfer.id : row->transfer.pending_id;
}

/* Of an expiry it is 0: it is no transfer's. */
static u128 transfer_id(const struct query_change *row)
{
    return row->change.kind == CHANGE_EXPIRED ? 0 : row->transfer.id;
}

struct numbers {
    char text[6][U128_DECIMAL_MAX];
};

static void print_side(FILE *file, const char *name, u128 id, const struct balances *balances,
                       unsigned flags)
{
    char uuid[UUID_TEXT_SIZE];
    struct numbers n;
    uuid_print(id, uuid);
    (void)u128_print(balances->debits_pending, n.text[0]);
    (void)u128_print(balances->debits_posted, n.text[1]);
    (void)u128_print(balances->credits_pending, n.text[2]);
    (void)u128_print(balances->credits_posted, n.text[3]);
    (void)fprintf(file, " %s=%s:%s/%s/%s/%s%s", name, uuid, n.text[0], n.text[1], n.text[2],
                  n.text[3], (flags & ACCOUNT_CLOSED) != 0 ? ":closed" : "");
}

void watch_print_text(FILE *file, const struct query_change *row)
{
    const struct transfer *transfer = &row->transfer;
    const struct change *change = &row->change;
    char type[16];
    char amount[U128_DECIMAL_MAX];
    char uuid[UUID_TEXT_SIZE];
    (void)fprintf(file, "%" PRIu64 " %s", change->timestamp, type_text(change->kind, type));
    if (change->kind != 0) {
        (void)u128_print(change->amount, amount);
        (void)fprintf(file, " amount=%s ledger=%" PRIu32 " code=%u", amount, transfer->ledger,
                      transfer->code);
        if (transfer_id(row) != 0) {
            uuid_print(transfer_id(row), uuid);
            (void)fprintf(file, " transfer=%s", uuid);
        }
        if (pending_id(row) != 0) {
            uuid_print(pending_id(row), uuid);
            (void)fprintf(file, " pending_id=%s", uuid);
        }
        print_side(file, "debit", transfer->debit_account_id, &change->debit, change->debit_flags);
        print_side(file, "credit", transfer->credit_account_id, &change->credit,
                   change->credit_flags);
    }
    (void)fputc('\n', file);
}

/* --- JSON ------------------------------------------------------------------------------------- */

static void json_id(FILE *file, const char *name, u128 id)
{
    char uuid[UUID_TEXT_SIZE];
    uuid_print(id, uuid);
    (void)fprintf(file, ",\"%s\":\"%s\"", name, id != 0 ? uuid : "");
}

static void json_amount(FILE *file, const char *name, u128 amount)
{
    char text[U128_DECIMAL_MAX];
    (void)u128_print(amount, text);
    (void)fprintf(file, ",\"%s\":\"%s\"", name, text);
}

static void json_side(FILE *file, const char *name, u128 id, const struct balances *balances,
                      unsigned flags, unsigned code)
{
    char uuid[UUID_TEXT_SIZE];
    uuid_print(id, uuid);
    (void)fprintf(file, ",\"%s\":{\"id\":\"%s\"", name, uuid);
    json_amount(file, "debits_pending", balances->debits_pending);
    json_amount(file, "debits_posted", balances->debits_posted);
    json_amount(file, "credits_pending", balances->credits_pending);
    json_amount(file, "credits_posted", balances->credits_posted);
    (void)fprintf(file, ",\"code\":%u,\"flags\":%u,\"closed\":%s}", code, flags,
                  (flags & ACCOUNT_CLOSED) != 0 ? "true" : "false");
}

void watch_print_json(FILE *file, const struct query_change *row)
{
    const struct transfer *transfer = &row->transfer;
    const struct change *change = &row->change;
    char type[16];
    (void)fprintf(file, "{\"type\":\"%s\",\"timestamp\":\"%" PRIu64 "\"",
                  type_text(change->kind, type), change->timestamp);
    if (change->kind != 0) {
        json_id(file, "transfer", transfer_id(row));
        json_id(file, "pending_id", pending_id(row));
        json_amount(file, "amount", change->amount);
        json_amount(file, "released", change->released);
        (void)fprintf(file,
                      ",\"ledger\":%" PRIu32 ",\"code\":%u,\"flags\":%u,\"transfer_timestamp\":"
                      "\"%" PRIu64 "\"",
                      transfer->ledger, transfer->code, transfer->flags, transfer->timestamp);
        json_id(file, "user_data_128", transfer->user_data_128);
        (void)fprintf(file, ",\"user_data_64\":\"%" PRIu64 "\",\"user_data_32\":%" PRIu32,
                      transfer->user_data_64, transfer->user_data_32);
        json_side(file, "debit", transfer->debit_account_id, &change->debit, change->debit_flags,
                  change->debit_code);
        json_side(file, "credit", transfer->credit_account_id, &change->credit,
                  change->credit_flags, change->credit_code);
    }
    (void)fputs("}\n", file);
}
