#include "tools/script.h"

#include "base/assert.h"
#include "tools/script_run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    FILE_SIZE_MAX = 64 * 1024 * 1024,
    DIFFERENCES_SHOWN = 10, /* of one file */
};

/* --- files ------------------------------------------------------------------------------------ */

static enum status read_file(const char *path, char **text, size_t *size, struct error *error)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return error_set_errno(error, errno, "cannot open %s", path);
    }
    size_t room = 65536;
    *text = malloc(room);
    *size = 0;
    while (*text != NULL && *size <= FILE_SIZE_MAX) {
        const size_t got = fread(*text + *size, 1, room - *size, file);
        *size += got;
        if (got == 0) {
            break;
        }
        if (*size == room) {
            room *= 2;
            char *grown = realloc(*text, room);
            ASSERT(grown != NULL);
            *text = grown;
        }
    }
    ASSERT(*text != NULL);
    const bool failed = ferror(file) != 0;
    const int errno_value = errno;
    const bool closed = fclose(file) == 0;
    enum status status = STATUS_OK;
    if (failed || !closed) {
        status = error_set_errno(error, failed ? errno_value : errno, "cannot read %s", path);
    } else if (*size > FILE_SIZE_MAX) {
        status = error_set(error, STATUS_TOO_LARGE, "%s: a script has %d bytes at most", path,
                           FILE_SIZE_MAX);
    }
    if (status != STATUS_OK) {
        free(*text);
        *text = NULL;
    }
    return status;
}

/* Through a file beside it, so that a failure leaves the old text whole. */
static enum status replace_file(const char *path, const char *text, size_t size,
                                struct error *error)
{
    char beside[4096];
    const int length = snprintf(beside, sizeof beside, "%s.new", path);
    if (length < 0 || (size_t)length >= sizeof beside) {
        return error_set(error, STATUS_TOO_LARGE, "%s: the name is too long", path);
    }
    FILE *file = fopen(beside, "wb");
    if (file == NULL) {
        return error_set_errno(error, errno, "cannot create %s", beside);
    }
    const bool written = fwrite(text, 1, size, file) == size;
    const bool closed = fclose(file) == 0;
    if (!written || !closed || rename(beside, path) != 0) {
        const enum status status = error_set_errno(error, errno, "cannot write %s", path);
        (void)remove(beside);
        return status;
    }
    return STATUS_OK;
}

/* --- one run ---------------------------------------------------------------------------------- */

struct run {
    const char *path;
    FILE *out;
    const char *text;
    size_t text_size;
    bool update;
    struct script_summary *summary;
    /* The new text, up to what the items so far have settled. */
    FILE *updated;
    size_t copied; /* bytes of the old text */
};

/* What stands before the found text, which may be nothing, in the place of the expected one. */
static const char *before_found(enum script_place place, bool nothing)
{
    switch (place) {
    case SCRIPT_AFTER_ARROW:
        return nothing ? "" : " ";
    case SCRIPT_ARROW_LACKS:
        return nothing ? " ->" : " -> ";
    case SCRIPT_LINES_FOLLOW:
        return "\n  ";
    case SCRIPT_LINE:
        break;
    }
    return "";
}

static void rewrite(struct run *run, const struct script_item *item, const char *found)
{
    const struct script_expectation *expected = &item->expected;
    (void)fwrite(run->text + run->copied, 1, expected->begin - run->copied, run->updated);
    (void)fprintf(run->updated, "%s%s", before_found(expected->place, found[0] == '\0'), found);
    run->copied = expected->end;
}

static const char *or_nothing(const char *text)
{
    return text[0] == '\0' ? "nothing" : text;
}

static void watch(void *context, const struct script_item *item, const char *expected,
                  const char *found)
{
    struct run *run = context;
    if (expected == NULL) {
        run->summary->unchecked++;
    } else {
        run->summary->expectations++;
    }
    const bool differs = expected != NULL && strcmp(expected, found) != 0;
    run->summary->differences += differs ? 1 : 0;
    if (run->update && (differs || expected == NULL)) {
        rewrite(run, item, found);
    } else if (differs && run->summary->differences <= DIFFERENCES_SHOWN) {
        (void)fprintf(run->out, "%s:%u: expected %s, got %s\n", run->path, item->line,
                      or_nothing(expected), or_nothing(found));
    }
}

static enum status run_parsed(struct run *run, const struct script *script, struct error *error)
{
    char *text = NULL;
    size_t size = 0;
    run->updated = open_memstream(&text, &size);
    ASSERT(run->updated != NULL);
    const struct script_watcher watcher = { .item = watch, .context = run };
    enum status status = script_run(script, &watcher, error);
    (void)fwrite(run->text + run->copied, 1, run->text_size - run->copied, run->updated);
    const bool complete = fclose(run->updated) == 0;
    ASSERT(complete);
    const bool changed = size != run->text_size || memcmp(text, run->text, size) != 0;
    if (status == STATUS_OK && run->update && changed) {
        status = replace_file(run->path, text, size, error);
    }
    free(text);
    return status;
}

enum status script_run_file(const char *path, bool update, FILE *out,
                            struct script_summary *summary, struct error *error)
{
    *summary = (struct script_summary){ 0 };
    char *text = NULL;
    size_t size = 0;
    TRY(read_file(path, &text, &size, error));
    struct script script;
    struct error found;
    enum status status =
        script_parse(&script, (struct bytes){ (const uint8_t *)text, size }, &found);
    const bool parsed = status == STATUS_OK;
    struct run run = { .path = path,
                       .out = out,
                       .text = text,
                       .text_size = size,
                       .update = update,
                       .summary = summary };
    if (parsed) {
        status = run_parsed(&run, &script, &found);
    }
    if (status == STATUS_INVALID) {
        error_set(error, status, "%s:%s", path, found.text); /* "LINE: what" */
    } else if (status != STATUS_OK) {
        *error = found;
    }
    script_free(&script);
    free(text);
    return status;
}

/* --- all files --------------------------------------------------------------------------- */

static int report(const char *path, bool update, const struct script_summary *summary)
{
    const uint32_t differences = summary->differences;
    if (update) {
        printf("%s: %u expectations, %u rewritten, %u added\n", path, summary->expectations,
               differences, summary->unchecked);
        return 0;
    }
    if (differences > DIFFERENCES_SHOWN) {
        printf("%s: and %u more\n", path, differences - DIFFERENCES_SHOWN);
    }
    printf("%s: %u of %u expectations met", path, summary->expectations - differences,
           summary->expectations);
    if (summary->unchecked > 0) {
        printf(", %u lines expect nothing", summary->unchecked);
    }
    printf("\n");
    return differences > 0 ? 1 : 0;
}

static int run_one(const char *path, bool update)
{
    struct script_summary summary;
    struct error error;
    if (script_run_file(path, update, stdout, &summary, &error) != STATUS_OK) {
        (void)fflush(stdout);
        (void)fprintf(stderr, "fenlu script: %s\n", error.text);
        return 2;
    }
    return report(path, update, &summary);
}

int script_run_files(char *const *paths, int count, bool update)
{
    int exit_code = 0;
    for (int i = 0; i < count; i++) {
        const int code = run_one(paths[i], update);
        exit_code = code > exit_code ? code : exit_code;
    }
    return exit_code;
}
