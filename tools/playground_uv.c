/* playground_uv.c — `fenlu playground`: a local cluster of real processes, as children of this one.
 *
 * Folders DATA/node1.. are formatted when DATA does not exist yet, each with a free loopback port
 * of its own that stays the node's for ever. A child that dies is started again after
 * RESTART_DELAY_MS. SIGTERM and SIGINT stop all of it; children also end when this process dies.
 */
#include "base/address.h"
#include "base/assert.h"
#include "ledger/node/data_folder.h"
#include "tools/members.h"
#include "tools/tools.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

enum {
    REPLICAS_DEFAULT = 3,
    RESTART_DELAY_MS = 1000,
    STOP_GRACE_MS = 10000,
    MEMBERS_TEXT_MAX = 4096,
    LINE_MAX_BYTES = 512
};

struct playground;

struct child {
    struct playground *playground;
    uint32_t id; /* 0: the API node */
    char data[DISK_PATH_MAX];
    char address[MEMBER_ADDRESS_MAX];
    uv_process_t process;
    uv_pipe_t output;
    uv_timer_t restart;
    bool alive;
    char chunk[LINE_MAX_BYTES]; /* of its output, as libuv reads it */
    char line[LINE_MAX_BYTES];
    size_t line_size;
};

struct playground {
    const struct tool *tool;
    uv_loop_t loop;
    const char *data;
    char grpc[ADDRESS_TEXT_MAX];
    const char *grpc_flag;
    uint64_t replicas;
    bool no_restart;
    bool stopping;
    char program[DISK_PATH_MAX];
    char members[MEMBERS_TEXT_MAX];
    struct child children[RAFT_MEMBERS_MAX + 1];
    uint32_t child_count;
    uv_signal_t terminate;
    uv_signal_t interrupt;
    uv_timer_t kill_timer;
};

static enum status node_folder(const struct playground *playground, uint32_t id,
                               char path[DISK_PATH_MAX], struct error *error)
{
    char name[32];
    (void)snprintf(name, sizeof name, "node%u", id);
    return disk_join(path, playground->data, name, error);
}

/* --- first start --- */

/* A free loopback port; `held` keeps it from being given twice until all are chosen. */
static enum status free_port(int *held, uint16_t *port, struct error *error)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    *held = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (*held < 0 || bind(*held, (struct sockaddr *)&address, sizeof address) != 0 ||
        getsockname(*held, (struct sockaddr *)&address, &size) != 0) {
        return error_set(error, STATUS_IO, "cannot find a free port on 127.0.0.1");
    }
    *port = ntohs(address.sin_port);
    return STATUS_OK;
}

static enum status format_all(const struct playground *playground, struct error *error)
{
    struct disk disk = disk_os();
    struct entropy entropy = entropy_os();
    uint64_t replicas = playground->replicas != 0 ? playground->replicas : REPLICAS_DEFAULT;
    struct superblock identity = { .cluster = uuid_random(), .member_count = (uint32_t)replicas };
    int held[RAFT_MEMBERS_MAX];
    for (uint32_t i = 0; i < identity.member_count; i++) {
        uint16_t port = 0;
        TRY(free_port(&held[i], &port, error));
        identity.members[i].id = i + 1;
        (void)snprintf(identity.members[i].address, MEMBER_ADDRESS_MAX, "127.0.0.1:%u", port);
    }
    for (uint32_t i = 0; i < identity.member_count; i++) {
        (void)close(held[i]);
    }
    TRY(disk_make_folder(&disk, playground->data, error));
    for (uint32_t i = 0; i < identity.member_count; i++) {
        char path[DISK_PATH_MAX];
        identity.node = i + 1;
        TRY(node_folder(playground, i + 1, path, error));
        TRY(data_folder_format(&disk, path, &identity, &entropy, error));
    }
    return STATUS_OK;
}

/* The folder of a node is its own, not a copy of another's or of another cluster's. */
static enum status check_folder(const char *path, uint32_t id, u128 cluster, struct error *error)
{
    struct disk disk = disk_os();
    struct superblock superblock;
    uint32_t repaired = 0;
    TRY(superblock_load(&disk, path, &superblock, &repaired, error));
    if (superblock.cluster != cluster) {
        return error_set(error, STATUS_WRONG_CLUSTER, "%s belongs to another cluster than node 1",
                         path);
    }
    if (superblock.node != id) {
        return error_set(error, STATUS_WRONG_NODE,
                         "%s belongs to node %u, expected node %u: bring back the folder that node "
                         "%u had",
                         path, superblock.node, id, id);
    }
    return STATUS_OK;
}

static enum status load_members(struct playground *playground, struct error *error)
{
    struct disk disk = disk_os();
    char path[DISK_PATH_MAX];
    struct superblock superblock;
    uint32_t repaired = 0;
    TRY(node_folder(playground, 1, path, error));
    TRY(superblock_load(&disk, path, &superblock, &repaired, error));
    if (playground->replicas != 0 && playground->replicas != superblock.member_count) {
        return error_set(error, STATUS_INVALID,
                         "%s holds a cluster of %u, --replicas says %llu: leave the flag out or "
                         "choose another folder",
                         playground->data, superblock.member_count,
                         (unsigned long long)playground->replicas);
    }
    size_t used = 0;
    for (uint32_t i = 0; i < superblock.member_count; i++) {
        const struct superblock_member *member = &superblock.members[i];
        struct child *child = &playground->children[i];
        child->id = member->id;
        TRY(node_folder(playground, member->id, child->data, error));
        TRY(check_folder(child->data, member->id, superblock.cluster, error));
        (void)snprintf(child->address, sizeof child->address, "%s", member->address);
        int size = snprintf(playground->members + used, MEMBERS_TEXT_MAX - used, "%s%u=%s",
                            i > 0 ? "," : "", member->id, member->address);
        ASSERT(size > 0 && used + (size_t)size < MEMBERS_TEXT_MAX);
        used += (size_t)size;
    }
    playground->child_count = superblock.member_count + 1; /* the last is the API node */
    return STATUS_OK;
}

/* --- children --- */

static void start_child(struct child *child);

static void on_restart(uv_timer_t *timer)
{
    struct child *child = timer->data;
    if (!child->playground->stopping) {
        start_child(child);
    }
}

static bool any_alive(const struct playground *playground)
{
    for (uint32_t i = 0; i < playground->child_count; i++) {
        if (playground->children[i].alive) {
            return true;
        }
    }
    return false;
}

static void close_handle(uv_handle_t *handle, void *context)
{
    (void)context;
    if (!uv_is_closing(handle)) {
        uv_close(handle, NULL);
    }
}

static void on_child_exit(uv_process_t *process, int64_t code, int number)
{
    struct child *child = process->data;
    struct playground *playground = child->playground;
    child->alive = false;
    uv_close((uv_handle_t *)process, NULL);
    if (playground->stopping) {
        if (!any_alive(playground)) {
            uv_walk(&playground->loop, close_handle, NULL);
        }
        return;
    }
    (void)fprintf(stderr, "fenlu playground: %s %u ended (exit code %lld, signal %d)%s\n",
                  child->id != 0 ? "node" : "api", child->id, (long long)code, number,
                  playground->no_restart ? "" : ", starting it again");
    if (!playground->no_restart) {
        int result = uv_timer_start(&child->restart, on_restart, RESTART_DELAY_MS, 0);
        ASSERT(result == 0);
    }
}

/* The API node's ready line is the playground's. */
static void on_line(struct child *child)
{
    if (child->id == 0 && strncmp(child->line, "ready ", 6) == 0) {
        printf("%s\n", child->line);
        (void)fflush(stdout);
    }
}

static void on_output(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    struct child *child = stream->data;
    for (ssize_t i = 0; i < size; i++) {
        char byte = buffer->base[i];
        if (byte == '\n') {
            child->line[child->line_size] = '\0';
            child->line_size = 0;
            on_line(child);
        } else if (child->line_size + 1 < sizeof child->line) {
            child->line[child->line_size++] = byte;
        }
    }
    if (size < 0) {
        uv_close((uv_handle_t *)stream, NULL);
    }
}

static void give_chunk(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)suggested;
    struct child *child = handle->data;
    *buffer = uv_buf_init(child->chunk, sizeof child->chunk);
}

static int spawn(struct child *child, char **arguments)
{
    struct playground *playground = child->playground;
    uv_stdio_container_t streams[3] = {
        { .flags = UV_IGNORE },
        { .flags = (uv_stdio_flags)(UV_CREATE_PIPE | UV_WRITABLE_PIPE),
          .data.stream = (uv_stream_t *)&child->output },
        { .flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO },
    };
    uv_process_options_t options = {
        .exit_cb = on_child_exit,
        .file = playground->program,
        .args = arguments,
        .stdio_count = 3,
        .stdio = streams,
    };
    int result = uv_pipe_init(&playground->loop, &child->output, 0);
    ASSERT(result == 0);
    child->process.data = child;
    child->output.data = child;
    child->line_size = 0;
    return uv_spawn(&playground->loop, &child->process, &options);
}

static void start_child(struct child *child)
{
    struct playground *playground = child->playground;
    /* uv takes what it does not change as char ** */
    char server[] = "server", api[] = "api", data[] = "--data", members[] = "--members";
    char grpc[] = "--grpc", with_parent[] = "--with-parent";
    char *server_arguments[] = {
        playground->program, server, data, child->data, with_parent, NULL
    };
    char *api_arguments[] = { playground->program, api,         members, playground->members, grpc,
                              playground->grpc,    with_parent, NULL };
    int result = spawn(child, child->id != 0 ? server_arguments : api_arguments);
    if (result != 0) {
        (void)tool_failed(playground->tool, "cannot start a child process: %s",
                          uv_strerror(result));
        exit(EXIT_FAILED); /* children end with this process */
    }
    child->alive = true;
    result = uv_read_start((uv_stream_t *)&child->output, give_chunk, on_output);
    ASSERT(result == 0);
    if (child->id != 0) {
        printf("node %u pid=%d peer=%s data=%s\n", child->id, child->process.pid, child->address,
               child->data);
        (void)fflush(stdout);
    }
}

/* --- stop
 * ------------------------------------------------------------------------------------------------
 */

static void signal_children(struct playground *playground, int number)
{
    for (uint32_t i = 0; i < playground->child_count; i++) {
        if (playground->children[i].alive) {
            /* One that died a moment ago is what we want anyway. */
            int result = uv_process_kill(&playground->children[i].process, number);
            ASSERT(result == 0 || result == UV_ESRCH);
        }
    }
}

static void on_kill_timer(uv_timer_t *timer)
{
    signal_children(timer->data, SIGKILL);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct playground *playground = handle->data;
    (void)number;
    bool again = playground->stopping;
    playground->stopping = true;
    signal_children(playground, again ? SIGKILL : SIGTERM);
    int result = uv_timer_start(&playground->kill_timer, on_kill_timer, STOP_GRACE_MS, 0);
    ASSERT(result == 0);
    if (!any_alive(playground)) {
        uv_walk(&playground->loop, close_handle, NULL);
    }
}

static void start_all(struct playground *playground)
{
    uv_loop_t *loop = &playground->loop;
    int result = uv_signal_init(loop, &playground->terminate);
    ASSERT(result == 0);
    result = uv_signal_init(loop, &playground->interrupt);
    ASSERT(result == 0);
    result = uv_timer_init(loop, &playground->kill_timer);
    ASSERT(result == 0);
    playground->terminate.data = playground;
    playground->interrupt.data = playground;
    playground->kill_timer.data = playground;
    result = uv_signal_start(&playground->terminate, on_signal, SIGTERM);
    ASSERT(result == 0);
    result = uv_signal_start(&playground->interrupt, on_signal, SIGINT);
    ASSERT(result == 0);
    for (uint32_t i = 0; i < playground->child_count; i++) {
        struct child *child = &playground->children[i];
        child->playground = playground;
        result = uv_timer_init(loop, &child->restart);
        ASSERT(result == 0);
        child->restart.data = child;
        start_child(child);
    }
}

static int run(const struct tool *tool, int argc, char **argv)
{
    struct playground *playground = calloc(1, sizeof *playground);
    ASSERT(playground != NULL);
    playground->tool = tool;
    playground->grpc_flag = "127.0.0.1:7410";
    const struct flag flags[] = {
        { .name = "data",
          .kind = FLAG_TEXT,
          .target = &playground->data,
          .value = "DIR",
          .required = true,
          .help = "Folder of all nodes; made when it does not exist." },
        { .name = "replicas",
          .kind = FLAG_NUMBER,
          .target = &playground->replicas,
          .value = "N",
          .minimum = 1,
          .maximum = RAFT_MEMBERS_MAX,
          .help = "Servers; 3, or as many as DIR holds." },
        { .name = "grpc",
          .kind = FLAG_TEXT,
          .target = &playground->grpc_flag,
          .value = "ADDR",
          .help = "HOST:PORT of the API node; 127.0.0.1:7410." },
        { .name = "no-restart",
          .kind = FLAG_SWITCH,
          .target = &playground->no_restart,
          .help = "Leaves a child that died dead." },
    };
    struct arguments arguments;
    int exit_code;
    if (!flags_parse(tool, flags, sizeof flags / sizeof flags[0], argc, argv, &arguments,
                     &exit_code)) {
        free(playground);
        return exit_code;
    }
    struct error error;
    struct stat info;
    struct address address;
    if (address_parse(playground->grpc_flag, &address, &error) != STATUS_OK) {
        free(playground);
        return tool_usage(tool, "--grpc: %s", error.text);
    }
    address_format(&address, playground->grpc);
    enum status status =
        stat(playground->data, &info) == 0 ? STATUS_OK : format_all(playground, &error);
    if (status == STATUS_OK) {
        status = load_members(playground, &error);
    }
    if (status != STATUS_OK) {
        free(playground);
        return tool_failed(tool, "%s", error.text);
    }
    size_t program_size = sizeof playground->program;
    int result = uv_exepath(playground->program, &program_size);
    ASSERT(result == 0);
    result = uv_loop_init(&playground->loop);
    ASSERT(result == 0);
    start_all(playground);
    result = uv_run(&playground->loop, UV_RUN_DEFAULT);
    ASSERT(result == 0);
    free(playground);
    return EXIT_OK;
}

const struct tool TOOL_PLAYGROUND = {
    .name = "playground",
    .arguments = "",
    .summary = "Runs a local cluster of real processes: N servers and an API node.",
    .details =
        "For demos, benches and fault tests. Prints `node ID pid=PID peer=ADDR data=DIR` for "
        "each server\nas it starts, and `ready grpc=ADDR` when the cluster takes commands. A "
        "child that dies is started\nagain after 1 s. SIGTERM stops all.",
    .run = run,
};
