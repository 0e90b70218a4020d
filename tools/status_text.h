/* status_text.h — the state of a cluster for people and for programs. */
#pragma once

#include "api/service/client_codec.h"

#include <stdio.h>

/* One row a node, then a line for each thing that an operator should know. */
void status_print_table(FILE *file, const struct client_cluster_status *status);
/* One object on one line. */
void status_print_json(FILE *file, const struct client_cluster_status *status);
