/* serve.h — what `server`, `api` and `dev` share: a process with a loop that serves until SIGTERM
 * or SIGINT, its metrics, its API in a thread of its own, its ready line.
 *
 * SIGTERM and SIGINT drain (API_DRAIN_GRACE_MS, then SERVER_DRAIN_GRACE_MS, at most) and end with
 * exit code 0; a second one ends at once, with exit code 1.
 * The ready line, "ready grpc=ADDR" (grpc=none without --grpc), is printed once, flushed, when a
 * leader is known and commands are taken.
 */
#pragma once

#include "base/cursor.h"
#include "raft/log/superblock.h"
#include "tools/flags.h"

struct serve_options {
    const char *grpc;    /* NULL: no gRPC */
    const char *metrics; /* NULL: none */
    const char *tls_certificate_file;
    const char *tls_key_file;
    const char *tls_client_ca_file;
    const char *log_format;
    const char *log_level;
    bool with_parent; /* end when the parent process ends */
    /* server part: */
    const char *data;   /* NULL: no server */
    const char *listen; /* NULL: at its address as a member */
    uint64_t cache_mib;
    uint64_t disk_reserve_mib;
    uint64_t log_keep_mib;
    uint64_t snapshot_mib_per_s;
    uint64_t scrub_mib_per_s;
    uint64_t election_timeout_ms;
    uint64_t heartbeat_ms;
    /* api part without a server: */
    struct superblock_member members[RAFT_MEMBERS_MAX];
    uint32_t member_count;
    u128 cluster;
};

void serve_options_default(struct serve_options *options);
/* Values that do not fit: one line on stderr and EXIT_USAGE; else EXIT_OK. Nothing is touched. */
int serve_check(const struct tool *tool, const struct serve_options *options);
/* Checks first. */
int serve(const struct tool *tool, const struct serve_options *options);

/* Flags that the three share, to be put into their tables. */
#define SERVE_FLAGS_COMMON(options)                                                                \
    { .name = "metrics",                                                                           \
      .kind = FLAG_TEXT,                                                                           \
      .target = &(options).metrics,                                                                \
      .value = "ADDR",                                                                             \
      .help = "Serves Prometheus text at http://ADDR/metrics." },                                  \
        { .name = "tls-cert",                                                                      \
          .kind = FLAG_TEXT,                                                                       \
          .target = &(options).tls_certificate_file,                                               \
          .value = "FILE",                                                                         \
          .help = "PEM certificate chain for gRPC; without it gRPC is plain h2c." },               \
        { .name = "tls-key",                                                                       \
          .kind = FLAG_TEXT,                                                                       \
          .target = &(options).tls_key_file,                                                       \
          .value = "FILE",                                                                         \
          .help = "PEM private key of --tls-cert." },                                              \
        { .name = "tls-client-ca",                                                                 \
          .kind = FLAG_TEXT,                                                                       \
          .target = &(options).tls_client_ca_file,                                                 \
          .value = "FILE",                                                                         \
          .help = "PEM authorities; clients must then show a certificate." },                      \
        { .name = "log-format",                                                                    \
          .kind = FLAG_TEXT,                                                                       \
          .target = &(options).log_format,                                                         \
          .value = "logfmt|json",                                                                  \
          .choices = SERVE_LOG_FORMATS,                                                            \
          .help = "Format of log lines on stderr; logfmt." },                                      \
        { .name = "log-level",                                                                     \
          .kind = FLAG_TEXT,                                                                       \
          .target = &(options).log_level,                                                          \
          .value = "debug|info|warn|error",                                                        \
          .choices = SERVE_LOG_LEVELS,                                                             \
          .help = "Lowest level that is logged; info, but warn in dev." },                         \
    {                                                                                              \
        .name = "with-parent", .kind = FLAG_SWITCH, .target = &(options).with_parent,              \
        .help = "Ends when the parent process ends (the playground uses it)."                      \
    }

#define SERVE_FLAGS_SERVER(options)                                                                \
    { .name = "cache-mib",                                                                         \
      .kind = FLAG_NUMBER,                                                                         \
      .target = &(options).cache_mib,                                                              \
      .value = "N",                                                                                \
      .minimum = 8,                                                                                \
      .maximum = 1048576,                                                                          \
      .help = "Memory for blocks of the store, in MiB; 256. Half as much again for a filter "      \
              "of transfer ids, once clients send random ones." },                                 \
        { .name = "disk-reserve-mib",                                                              \
          .kind = FLAG_NUMBER,                                                                     \
          .target = &(options).disk_reserve_mib,                                                   \
          .value = "N",                                                                            \
          .minimum = 0,                                                                            \
          .maximum = 1048576,                                                                      \
          .help = "Writes are refused with less free disk than this, in MiB; 256." },              \
        { .name = "log-keep-mib",                                                                  \
          .kind = FLAG_NUMBER,                                                                     \
          .target = &(options).log_keep_mib,                                                       \
          .value = "N",                                                                            \
          .minimum = 1,                                                                            \
          .maximum = 1048576,                                                                      \
          .help = "Log kept for a member that lags, behind what is sealed, in MiB; 1024." },       \
        { .name = "snapshot-mib-per-s",                                                            \
          .kind = FLAG_NUMBER,                                                                     \
          .target = &(options).snapshot_mib_per_s,                                                 \
          .value = "N",                                                                            \
          .minimum = 1,                                                                            \
          .maximum = 65536,                                                                        \
          .help = "At most so much of a snapshot is sent, in MiB a second; 32." },                 \
        { .name = "scrub-mib-per-s",                                                               \
          .kind = FLAG_NUMBER,                                                                     \
          .target = &(options).scrub_mib_per_s,                                                    \
          .value = "N",                                                                            \
          .minimum = 1,                                                                            \
          .maximum = 65536,                                                                        \
          .help = "How much is read to find damage in time, in MiB a second; 4." },                \
        { .name = "election-timeout-ms",                                                           \
          .kind = FLAG_NUMBER,                                                                     \
          .target = &(options).election_timeout_ms,                                                \
          .value = "N",                                                                            \
          .minimum = 50,                                                                           \
          .maximum = 60000,                                                                        \
          .help = "A follower stands for election after one to two times this silence; 600." },    \
    {                                                                                              \
        .name = "heartbeat-ms", .kind = FLAG_NUMBER, .target = &(options).heartbeat_ms,            \
        .value = "N", .minimum = 5, .maximum = 10000,                                              \
        .help = "How often the leader says that it lives; at most a third of the timeout; 100."    \
    }

extern const char *const SERVE_LOG_FORMATS[];
extern const char *const SERVE_LOG_LEVELS[];
