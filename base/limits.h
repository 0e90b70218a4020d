/* limits.h — every capacity of Fenlu in one place, with the relations between them proved.
 *
 * A limit that a client can meet is INVALID_ARGUMENT (it asked for too much at once) or
 * RESOURCE_EXHAUSTED (a queue is full now); its message names the number below.
 */
#pragma once

#include <stddef.h>

/* --- the ledger ------------------------------------------------------------------------------ */
enum {
    EVENT_SIZE = 128,         /* bytes of an account or a transfer, in memory, log and wire */
    RESULT_SIZE = 16,         /* bytes of one result: timestamp, status, reserved */
    BATCH_EVENTS_MAX = 8190,  /* accounts, transfers or ids in one request */
    LOOKUP_IDS_MAX = 8190,    /* the same for look-ups, named apart because answers are larger */
    COMMAND_HEADER_SIZE = 64, /* bytes before the events of a command */
    /* Commands that the leader may group into one entry: small concurrent calls share a flush. */
    ENTRY_COMMANDS_MAX = 1024,
    LEDGERS_MAX = 4096, /* distinct ledger numbers in use; the next is too_many_ledgers */
    /* Distinct pairs of ledger and account code; the next is too_many_account_codes. */
    ACCOUNT_CODES_MAX = 16384,
    QUERY_ROWS_MAX = BATCH_EVENTS_MAX, /* of one query; a larger limit means this one */
    CONTROL_GROUPS_MAX = 4,            /* groups that an account is in */
    CONTROL_FREEZES_MAX = 16,          /* active orders to freeze one account */
    FREEZE_AUTHORITY_MAX = 48,         /* bytes of an authority's reference */
    ENTRY_GROUPS_MAX = 4096,           /* distinct groups that the events of one entry may touch */
    CHANGES_ROWS_MAX = 4096,           /* of one page of the change feed */
    CHANGES_LOOKED_MAX = 64 * 1024,    /* records that one page looks at */
    CHANGES_WAIT_MS_MAX = 10000,       /* for changes, at the end of the feed */
    CHANGES_PARKED_MAX = 512,          /* pages that wait in one server */
    POSTING_LIST_MAX = 1024,           /* timestamps in one chunk of a posting list */
    JOURNAL_LEGS_MAX = 1000,
    LEDGER_SCALE_MAX = 30, /* decimal digits behind the point */
    METADATA_KEY_MAX = 32,
    METADATA_ENTRIES_MAX = 32,
    METADATA_BYTES_MAX = 1000,   /* of one map, as it is kept */
    METADATA_VERSIONS_MAX = 256, /* rows of an answer about the past of one map */
    CONTROL_LIST_MAX = 256,      /* rows of a list of orders, or of members */
    CONTROLS_LOOKED_MAX = 1024,  /* controls that a list of members looks at */
    JOURNAL_METADATA_UNITS = (METADATA_BYTES_MAX + EVENT_SIZE - 1) / EVENT_SIZE,
    JOURNAL_REVERSAL_COUNT = 1 + JOURNAL_LEGS_MAX,
    /* Rows of 128 bytes in the answer to GetJournal. */
    JOURNAL_ROWS_MAX = 2 + JOURNAL_LEGS_MAX + JOURNAL_METADATA_UNITS,
    /* Queries that a server works on in turn; more wait. Each may hold QUERY_ROWS_MAX rows. */
    QUERIES_OPEN_MAX = 32,
    /* Rows found and not sent yet, beyond which no query is opened. */
    QUERIES_ANSWERED_BYTES_MAX = 16 * 1024 * 1024,
};

/* --- Raft ------------------------------------------------------------------------------------ */
enum {
    RAFT_MEMBERS_MAX = 9,
    MEMBER_ADDRESS_MAX = 256, /* bytes of a member's HOST:PORT with its zero */
    RAFT_ENTRY_HEADER_SIZE = 64,
    /* An entry: events and command headers. */
    RAFT_ENTRY_BODY_MAX = BATCH_EVENTS_MAX * EVENT_SIZE + ENTRY_COMMANDS_MAX * COMMAND_HEADER_SIZE,
    ENTRY_EVENTS_MAX = RAFT_ENTRY_BODY_MAX / EVENT_SIZE, /* events of one entry, at the most */
    RAFT_MESSAGE_ENTRIES_MAX = 64,                       /* entries in one append message */
    RAFT_MESSAGE_BYTES_MAX = 2 * 1024 * 1024, /* bytes of entries in one append message */
    RAFT_WINDOW_BYTES = 8 * 1024 * 1024,      /* in flight to one follower */
    RAFT_UNCOMMITTED_BYTES_MAX = 16 * 1024 * 1024,
    RAFT_UNCOMMITTED_ENTRIES_MAX = 4096,
    RAFT_READS_MAX = 4096, /* reads waiting for a round of heartbeats */
    RAFT_TERM_RUNS_MAX = 4096,
    RAFT_SIZES_MAX = 16384,    /* recent entries whose sizes the core remembers */
    RAFT_APPENDS_PER_STEP = 8, /* append messages to one follower from one step */
};

/* --- the log on disk ------------------------------------------------------------------------- */
enum {
    LOG_SEGMENT_SIZE = 64 * 1024 * 1024,
    LOG_BLOCK_SIZE = 4096,
    LOG_SEGMENT_SIZE_MIN = 5 * LOG_BLOCK_SIZE,
    LOG_SEGMENT_SIZE_MAX = 1024 * 1024 * 1024,
    LOG_SEGMENTS_MAX = 65536,
    LOG_SPARES_MAX = 4,                  /* segments kept for reuse when the head is cut */
    LOG_SPARES_READY = 2,                /* made ahead of need while the disk has room */
    LOG_KEEP_BYTES = 1024 * 1024 * 1024, /* behind the checkpoint, for a member that lags */
    LOG_ROOM_LOW = LOG_SEGMENT_SIZE / 2, /* below this the writer makes a segment between writes */
    LOG_DAMAGED_MAX = 64,                /* damaged entries that a log is opened with */
    LOG_STAGED_SLOTS_MAX = 1024,         /* slots that one call of the disk writes */
    LOG_WRITES_QUEUED_MAX = 1024,        /* elements of the write stream waiting for the writer */
    DISK_FREE_WARN_MIB = 2048,           /* below this a server warns */
    DISK_FREE_STOP_MIB = 256, /* below this the leader refuses writes with RESOURCE_EXHAUSTED */
};

/* --- the store on disk ----------------------------------------------------------------------- */
enum {
    STORE_OPEN_FILES_MAX = 512,  /* tables that RocksDB keeps open */
    STORE_VERIFY_FILES_MAX = 64, /* and those of them that the scrubber reads, opened once more */
};

/* --- snapshots and scrubbing ----------------------------------------------------------------- */
enum {
    SNAPSHOT_CHUNK_SIZE = 1024 * 1024, /* the piece that is asked for, and has one checksum */
    SNAPSHOT_CHUNK_SIZE_MIN = 512,
    SNAPSHOT_FILES_MAX = 4096,
    SNAPSHOT_NAME_MAX = 64,                /* bytes of a file's name with its zero */
    SNAPSHOT_CHUNKS_MAX = 4 * 1024 * 1024, /* of all files: 4 TiB */
    SNAPSHOT_MANIFEST_BYTES_MAX =
        128 + SNAPSHOT_FILES_MAX * (SNAPSHOT_NAME_MAX + 8) + SNAPSHOT_CHUNKS_MAX * 4,
    SNAPSHOT_RECEIVERS_MAX = 1,  /* served at once; others are told BUSY */
    SNAPSHOT_WINDOW = 4,         /* chunks that a receiver has asked for and not got yet */
    SNAPSHOT_REQUESTS_MAX = 8,   /* waiting at the source; more are dropped */
    SNAPSHOT_RETRY_MS = 3000,    /* without an answer, a receiver asks again */
    SNAPSHOT_POLL_MS = 250,      /* when the snapshot is being made */
    SNAPSHOT_SILENCE_MS = 15000, /* after which source and receiver give each other up */
    SNAPSHOT_LEASE_MS = 60000,   /* without a request, a snapshot is removed */
    SNAPSHOT_BYTES_PER_S = 32 * 1024 * 1024,
    SNAPSHOT_BYTES_PER_S_MIN = 128 * 1024, /* with chunks of that size; less for smaller ones */
    SCRUB_BYTES_PER_S = 4 * 1024 * 1024,
    SCRUB_PIECE_BYTES = 256 * 1024, /* read by one step */
    SCRUB_DAMAGED_S = 60, /* pause behind damage in the store, which only a person mends */
};

/* --- the network ----------------------------------------------------------------------------- */
enum {
    FRAME_HEADER_SIZE = 32,
    FRAME_BODY_MAX = RAFT_MESSAGE_BYTES_MAX + 64 * 1024, /* bytes after a frame's header */
    CONNECTION_QUEUE_BYTES_MAX = 32 * 1024 * 1024,       /* unsent to one peer or client */
    CONNECTIONS_MAX = 1024,                              /* accepted on one port */
    HELLO_TIMEOUT_MS = 5000,                             /* an accepted stranger must say hello */
    CONNECTION_QUEUE_SMALL_BYTES = 1024 * 1024, /* of the queue, kept for frames without payload */
    /* Of the queue, the most in which pieces of snapshots may join. */
    CONNECTION_QUEUE_SNAPSHOT_BYTES = CONNECTION_QUEUE_BYTES_MAX / 4,
    CONNECTION_WRITE_BYTES = 1024 * 1024, /* after which no frame joins a write */
    CONNECTION_UNSENT_BYTES = 512 * 1024, /* that the kernel may hold before it asks again */
    CONNECTION_READ_BUFFER_SIZE = 64 * 1024,
    RECEIVE_BYTES_MAX = 256 * 1024 * 1024, /* buffers of large payloads under way, all together */
    PING_INTERVAL_MS = 1000,               /* on every connection that was dialled */
    PEER_SILENCE_MS = 5000,                /* closes a connection with a peer, or an accepted one */
    LINK_SILENCE_MS = 3000,                /* closes the connection of an API node to a server */
    DIAL_WAIT_MIN_MS = 50,                 /* between attempts; doubles, halved by jitter at most */
    DIAL_WAIT_MAX_MS = 2000,
};

/* --- the API --------------------------------------------------------------------------------- */
enum {
    GRPC_MESSAGE_MAX = 4 * 1024 * 1024, /* bytes of one message; the default of gRPC clients */
    GRPC_STREAMS_MAX = 1024,            /* open at once on one connection */
    GRPC_HEADER_LIST_MAX = 8 * 1024,    /* names and values of one request, plus 32 each */
    GRPC_METADATA_MAX = 64,             /* metadata entries of one request or of trailers */
    GRPC_STATUS_TEXT_MAX = 1024,        /* bytes of a grpc-message before percent-encoding */
    GRPC_STATUS_DETAILS_MAX = 2048,     /* bytes of grpc-status-details-bin before base64 */
    GRPC_STREAM_WINDOW = GRPC_MESSAGE_MAX + 64 * 1024, /* unconsumed bytes of one stream */
    GRPC_CONNECTION_WINDOW = 16 * 1024 * 1024,         /* in flight to one connection */
    GRPC_WRITE_BUFFER_SIZE = 128 * 1024,               /* output that one write carries */
    GRPC_READ_BUFFER_SIZE = 256 * 1024,                /* input that one read takes */
    GRPC_KEEPALIVE_IDLE_MS = 60 * 1000,                /* silence after which a server pings */
    GRPC_KEEPALIVE_TIMEOUT_MS = 20 * 1000,             /* silence after the ping that closes */
    GRPC_PING_INTERVAL_MIN_MS = 10 * 1000, /* a client that pings faster gets a strike */
    GRPC_PING_STRIKES_MAX = 2,             /* strikes before GOAWAY(ENHANCE_YOUR_CALM) */
    GRPC_RESETS_BURST_MAX = 1000,          /* streams that a client may reset at once */
    GRPC_RESETS_PER_SECOND = 100,          /* and per second afterwards */
    GRPC_DRAIN_NOTICE_MS = 1000,           /* between the first GOAWAY and the one that counts */
    GRPC_DRAIN_GRACE_MS = 15 * 1000,       /* for calls under way when a server drains */
    API_DRAIN_GRACE_MS = 3000,    /* the same on SIGTERM: a call that is cut is safe to repeat */
    SERVER_DRAIN_GRACE_MS = 2000, /* then, for what the API asked of the server */
    CLIENT_REQUESTS_MAX = 16384,  /* under way in one API process */
    CLIENT_BYTES_MAX = 256 * 1024 * 1024,
    REQUESTS_QUEUED_MAX = 16384, /* waiting for or under way in one server */
    REQUESTS_QUEUED_BYTES_MAX = 64 * 1024 * 1024,
    REPLIES_REMEMBERED_MAX = 16384,         /* recent replies kept for retries of API nodes */
    REPLY_ROWS_REMEMBERED_MAX = 512 * 1024, /* results in them that are not plain "created" */
    WATCHES_MAX = 256,                      /* change feeds that one API process serves */
    WATCH_PAGE_ROWS = 2048,                 /* changes that a feed asks for at once */
    WATCH_UNSENT_BYTES = 512 * 1024,        /* of one feed, beyond which it asks for no more */
    WATCH_WAIT_MS = 1000,                   /* at the end of the feed; then the position is told */
    WATCH_MARGIN_MS = 3000,                 /* a page later than this is asked for again */
    REQUEST_TIMEOUT_DEFAULT_MS = 10000,     /* when a client names no deadline */
};

_Static_assert(ACCOUNT_CODES_MAX >= LEDGERS_MAX, "each ledger has a code at least");
_Static_assert(BATCH_EVENTS_MAX *EVENT_SIZE <= 1024 * 1024, "a full request is 1 MiB of events");
_Static_assert(RAFT_ENTRY_BODY_MAX + RAFT_ENTRY_HEADER_SIZE <= RAFT_MESSAGE_BYTES_MAX,
               "any entry fits in one append message");
_Static_assert(RAFT_MESSAGE_BYTES_MAX <= RAFT_WINDOW_BYTES, "a full message fits in the window");
_Static_assert(RAFT_SIZES_MAX > RAFT_UNCOMMITTED_ENTRIES_MAX + RAFT_MESSAGE_ENTRIES_MAX,
               "the sizes of a leader's own uncommitted entries are known");
_Static_assert((int)RAFT_MESSAGE_BYTES_MAX < (int)FRAME_BODY_MAX,
               "a full append message fits in a frame");
_Static_assert(CONNECTION_QUEUE_BYTES_MAX - CONNECTION_QUEUE_SMALL_BYTES >= 2 * FRAME_BODY_MAX,
               "what is kept for small frames leaves room for large ones");
_Static_assert(CONNECTION_QUEUE_SNAPSHOT_BYTES >= 2 * FRAME_BODY_MAX,
               "a piece of a snapshot finds room beside another");
_Static_assert(CONNECTION_READ_BUFFER_SIZE >= 2 * (FRAME_HEADER_SIZE + 4096),
               "a header and a head fit in the read buffer");
_Static_assert(RECEIVE_BYTES_MAX >= 2 * RAFT_MEMBERS_MAX * FRAME_BODY_MAX, "peers can always send");
_Static_assert(LINK_SILENCE_MS > 2 * PING_INTERVAL_MS && PEER_SILENCE_MS > 2 * PING_INTERVAL_MS,
               "one lost ping does not close a connection");
_Static_assert(LOG_SEGMENT_SIZE >= 16 * (RAFT_ENTRY_BODY_MAX + LOG_BLOCK_SIZE),
               "a segment holds many entries of any size");
_Static_assert(GRPC_STREAM_WINDOW >= GRPC_MESSAGE_MAX + 5, "any message fits in its window");
_Static_assert(GRPC_CONNECTION_WINDOW >= GRPC_STREAM_WINDOW, "one stream can use its window");
_Static_assert(CONNECTION_QUEUE_BYTES_MAX >= 2 * GRPC_MESSAGE_MAX, "any message can be queued");
_Static_assert(GRPC_WRITE_BUFFER_SIZE >= 2 * (9 + 16384), "two full HTTP/2 frames fit");
_Static_assert(LOOKUP_IDS_MAX *EVENT_SIZE <= FRAME_BODY_MAX, "a full look-up answer fits");
_Static_assert(BATCH_EVENTS_MAX *RESULT_SIZE <= FRAME_BODY_MAX, "a full result fits");
_Static_assert(1 + JOURNAL_LEGS_MAX + JOURNAL_METADATA_UNITS <= BATCH_EVENTS_MAX,
               "the largest journal is one command");
_Static_assert(QUERY_ROWS_MAX * 2 * EVENT_SIZE <= FRAME_BODY_MAX, "a page of journals fits");
_Static_assert(CONNECTION_QUEUE_BYTES_MAX >= 2 * RAFT_WINDOW_BYTES,
               "a connection's queue holds a follower's window");
_Static_assert((int)REPLY_ROWS_REMEMBERED_MAX >= (int)BATCH_EVENTS_MAX,
               "any reply can be remembered");
_Static_assert((int)SNAPSHOT_CHUNK_SIZE <= (int)RAFT_MESSAGE_BYTES_MAX,
               "a chunk of a snapshot fits in a frame");
_Static_assert(SNAPSHOT_REQUESTS_MAX > SNAPSHOT_WINDOW,
               "what a receiver may ask for is not dropped");
_Static_assert(SNAPSHOT_CHUNK_SIZE / SNAPSHOT_BYTES_PER_S_MIN < SNAPSHOT_SILENCE_MS / 1000,
               "at the lowest rate a chunk comes before its source counts as silent");
_Static_assert(SNAPSHOT_LEASE_MS > 2 * SNAPSHOT_SILENCE_MS, "a receiver may restart in between");
