#include "tests/ledger_store/books.h"

/* Tables pass through unwrapped, so the calls on them need to know the faulty kv: there is one. */
static struct kv_faulty *the_faulty;

static enum status count_write(struct kv_faulty *faulty, struct error *error)
{
    faulty->writes++;
    if (faulty->stop_at == 0 || faulty->writes < faulty->stop_at) {
        return STATUS_OK;
    }
    if (faulty->once && faulty->writes > faulty->stop_at) {
        return STATUS_OK;
    }
    if (faulty->stop != NULL) {
        faulty->stop();
    }
    enum status status = faulty->status == STATUS_OK ? STATUS_IO : faulty->status;
    return error_set(error, status, "stopped before write %llu",
                     (unsigned long long)faulty->writes);
}

static struct kv_faulty *faulty_of(struct kv *kv)
{
    return (struct kv_faulty *)kv;
}

static enum status faulty_multi_get(struct kv *kv, struct kv_get *gets, size_t count,
                                    struct error *error)
{
    struct kv *inner = faulty_of(kv)->inner;
    return inner->ops->multi_get(inner, gets, count, error);
}

static enum status faulty_iterate(struct kv *kv, struct bytes from, bool backwards,
                                  struct kv_iterator **iterator, struct error *error)
{
    struct kv *inner = faulty_of(kv)->inner;
    return inner->ops->iterate(inner, from, backwards, iterator, error);
}

static enum status faulty_seek(struct kv_iterator *iterator, struct bytes to, struct error *error)
{
    return the_faulty->inner->ops->seek(iterator, to, error);
}

static enum status faulty_next(struct kv_iterator *iterator, struct bytes *key, struct bytes *value,
                               struct error *error)
{
    return the_faulty->inner->ops->next(iterator, key, value, error);
}

static void faulty_iterate_end(struct kv_iterator *iterator)
{
    the_faulty->inner->ops->iterate_end(iterator);
}

static enum status faulty_table_open(struct kv *kv, const char *name, struct kv_table **table,
                                     struct error *error)
{
    struct kv_faulty *faulty = faulty_of(kv);
    TRY(count_write(faulty, error));
    faulty->table_begun = false;
    return faulty->inner->ops->table_open(faulty->inner, name, table, error);
}

static enum status faulty_table_add(struct kv_table *table, struct bytes key, struct bytes value,
                                    struct error *error)
{
    if (!the_faulty->count_first_add_only || !the_faulty->table_begun) {
        the_faulty->table_begun = true;
        TRY(count_write(the_faulty, error));
    }
    return the_faulty->inner->ops->table_add(table, key, value, error);
}

static enum status faulty_table_close(struct kv_table *table, uint64_t *size, struct error *error)
{
    enum status status = count_write(the_faulty, error);
    if (status != STATUS_OK) {
        the_faulty->inner->ops->table_abandon(table);
        return status;
    }
    return the_faulty->inner->ops->table_close(table, size, error);
}

static void faulty_table_abandon(struct kv_table *table)
{
    the_faulty->inner->ops->table_abandon(table);
}

static enum status faulty_ingest(struct kv *kv, const char *const *names, size_t count,
                                 struct error *error)
{
    struct kv_faulty *faulty = faulty_of(kv);
    TRY(count_write(faulty, error));
    return faulty->inner->ops->ingest(faulty->inner, names, count, error);
}

static enum status faulty_commit(struct kv *kv, const struct kv_put *puts, size_t count,
                                 struct error *error)
{
    struct kv_faulty *faulty = faulty_of(kv);
    TRY(count_write(faulty, error));
    return faulty->inner->ops->commit(faulty->inner, puts, count, error);
}

static enum status faulty_checkpoint(struct kv *kv, const char *folder, struct error *error)
{
    struct kv *inner = faulty_of(kv)->inner;
    return inner->ops->checkpoint(inner, folder, error);
}

static enum status faulty_verify(struct kv *kv, struct kv_place *place, uint64_t bytes_budget,
                                 bool *done, struct error *error)
{
    struct kv *inner = faulty_of(kv)->inner;
    return inner->ops->verify(inner, place, bytes_budget, done, error);
}

static void faulty_close(struct kv *kv)
{
    faulty_of(kv)->inner = NULL;
}

static const struct kv_ops faulty_ops = {
    .multi_get = faulty_multi_get,
    .iterate = faulty_iterate,
    .seek = faulty_seek,
    .next = faulty_next,
    .iterate_end = faulty_iterate_end,
    .table_open = faulty_table_open,
    .table_add = faulty_table_add,
    .table_close = faulty_table_close,
    .table_abandon = faulty_table_abandon,
    .ingest = faulty_ingest,
    .commit = faulty_commit,
    .checkpoint = faulty_checkpoint,
    .verify = faulty_verify,
    .close = faulty_close,
};

struct kv *kv_faulty_init(struct kv_faulty *faulty, struct kv *inner, uint64_t stop_at)
{
    *faulty = (struct kv_faulty){ .kv = { &faulty_ops }, .inner = inner, .stop_at = stop_at };
    the_faulty = faulty;
    return &faulty->kv;
}
