/* connection_write_uv.h — the writing half of a connection, for connection_uv.c alone. */
#pragma once

#include "raft/net/connection_uv.h"

/* Sends a FIN once what is being written is out; the state is REFUSING from here on. */
void connection_write_last(struct connection *connection);
