/* model_find.h — who answers questions (model_queries.h) in production. */
#pragma once

#include "base/random.h"
#include "ledger/store/delta.h"
#include "tests/ledger_core/model_queries.h"

/* model_find_script.c: tools/script_query.h, from memory. Between batches. */
void find_by_script(struct delta *delta, const struct question *question, struct found *found);

/* model_find_store.c: ledger/store/query.h. A question is under way from begin to end. */
struct store;
struct query;
struct query *find_begin(struct store *store, const struct question *question);
/* Steps do less than they would, so that there are many. */
void find_in_small_pieces(struct query *query, struct random *random);
/* A bounded piece; true when it is done. */
bool find_step(struct query *query);
/* Rows are valid until find_end. */
void find_rows(const struct query *query, const struct question *question, struct found *found);
void find_end(struct query *query);
