/* replay_main.c — gives every file of a folder to a fuzz target, so that each build runs what
 * fuzzing has found. Exits with 1 when the folder is missing or empty. */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_MAX_BYTES = 4096, INPUT_MAX = 16 * 1024 * 1024 };

/* An allocation of exactly the file's size, so that sanitizers see reads past its end. */
static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        (void)fprintf(stderr, "cannot open %s: %s\n", path, strerror(errno));
        return 1;
    }
    long size = ftell(file);
    rewind(file);
    if (size < 0 || size > INPUT_MAX) {
        (void)fprintf(stderr, "%s is larger than %d bytes\n", path, INPUT_MAX);
        (void)fclose(file);
        return 1;
    }
    uint8_t *bytes = malloc(size == 0 ? 1 : (size_t)size);
    int failed = bytes == NULL || fread(bytes, 1, (size_t)size, file) != (size_t)size;
    (void)fclose(file);
    if (failed) {
        (void)fprintf(stderr, "cannot read %s\n", path);
    } else {
        failed = LLVMFuzzerTestOneInput(bytes, (size_t)size) != 0;
    }
    free(bytes);
    return failed;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        (void)fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    struct dirent **names = NULL;
    int count = scandir(argv[1], &names, NULL, alphasort);
    int replayed = 0;
    int failed = count < 0;
    for (int i = 0; i < count; i++) {
        char path[PATH_MAX_BYTES];
        if (names[i]->d_name[0] != '.') {
            (void)snprintf(path, sizeof path, "%s/%s", argv[1], names[i]->d_name);
            failed |= replay_file(path);
            replayed++;
        }
        free(names[i]);
    }
    free(names);
    if (replayed == 0) {
        (void)fprintf(stderr, "%s holds no files to replay\n", argv[1]);
        return 1;
    }
    printf("replayed %d files\n", replayed);
    return failed;
}
