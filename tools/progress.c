#include "tools/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BAR_WIDTH = 30 };

void progress_draw(const char *items, uint64_t done, uint64_t total, uint64_t posted,
                   uint64_t elapsed_ms)
{
    if (total == 0 || !isatty(STDERR_FILENO)) {
        return;
    }
    done = done < total ? done : total;
    uint64_t filled = done * BAR_WIDTH / total;
    char bar[BAR_WIDTH + 1];
    memset(bar, ' ', BAR_WIDTH);
    memset(bar, '#', filled);
    bar[BAR_WIDTH] = '\0';
    (void)fprintf(stderr,
                  "\r[%s] %3" PRIu64 " %%  %" PRIu64 " of %" PRIu64 " %s  %" PRIu64 " %s/s  ", bar,
                  done * 100 / total, done, total, items, posted * 1000 / (elapsed_ms + 1), items);
}

void progress_end(void)
{
    if (isatty(STDERR_FILENO)) {
        (void)fputc('\n', stderr);
    }
}
