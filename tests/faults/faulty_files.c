/* A library to preload: it injects a fault at a chosen moment of a program's writing.

   Every operation that changes a file below a folder is a moment, and the middle of each write is
   one more. After arm(folder, n, 0, path) the process kills itself at moment n; after
   arm(folder, n, 1, path) that operation, and all later ones that need room, fail as on a full
   disk. A process that comes to its end writes the number of its moments into the file `path`. The
   programs that it starts have no faults. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[4096], count_path[4096];
static size_t folder_length;
static long at, moments;
static int full;

void arm(const char *where, long when, int fills, const char *count)
{
    snprintf(folder, sizeof folder, "%s/", where);
    snprintf(count_path, sizeof count_path, "%s", count);
    folder_length = strlen(folder);
    at = when;
    full = fills;
}

__attribute__((destructor)) static void end(void)
{
    FILE *file = count_path[0] ? fopen(count_path, "w") : NULL;
    if (file != NULL) {
        fprintf(file, "%ld\n", moments);
        fclose(file);
    }
}

static int inside(const char *path)
{
    char absolute[8192];
    if (folder_length == 0 || path == NULL)
        return 0;
    if (path[0] != '/') {
        char here[4096];
        if (getcwd(here, sizeof here) == NULL)
            return 0;
        snprintf(absolute, sizeof absolute, "%s/%s", here, path);
        path = absolute;
    }
    return strncmp(path, folder, folder_length) == 0
        || (strncmp(path, folder, folder_length - 1) == 0 && path[folder_length - 1] == 0);
}

static int held(int descriptor)
{
    char link[64], path[4096];
    ssize_t length;
    if (folder_length == 0)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    return inside(path);
}

/* Counts a moment. Returns whether the operation fails for want of room. */
static int moment(int takes_room)
{
    long now = __sync_add_and_fetch(&moments, 1);
    if (at <= 0 || now < at)
        return 0;
    if (!full)
        kill(getpid(), SIGKILL);
    if (takes_room)
        errno = ENOSPC;
    return takes_room;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define OPEN(name)                                                       \
    int name(const char *path, int flags, ...)                           \
    {                                                                    \
        mode_t mode = 0;                                                 \
        if (flags & (O_CREAT | O_TMPFILE)) {                             \
            va_list rest;                                                \
            va_start(rest, flags);                                       \
            mode = va_arg(rest, mode_t);                                 \
            va_end(rest);                                                \
        }                                                                \
        if ((flags & (O_CREAT | O_TRUNC)) && inside(path)                \
            && moment(flags & O_CREAT && access(path, F_OK) != 0))       \
            return -1;                                                   \
        return NEXT(name)(path, flags, mode);                            \
    }
OPEN(open)
OPEN(open64)

#define WRITE(name, parameters, whole, half)                             \
    ssize_t name parameters                                              \
    {                                                                    \
        if (held(descriptor)) {                                          \
            if (moment(1))                                               \
                return -1;                                               \
            if (__sync_add_and_fetch(&moments, 1) == at) {               \
                ssize_t done = half;                                     \
                if (!full)                                               \
                    kill(getpid(), SIGKILL);                             \
                return done;                                             \
            }                                                            \
        }                                                                \
        return whole;                                                    \
    }
WRITE(write, (int descriptor, const void *bytes, size_t size),
      NEXT(write)(descriptor, bytes, size), NEXT(write)(descriptor, bytes, (size + 1) / 2))
WRITE(pwrite, (int descriptor, const void *bytes, size_t size, off_t where),
      NEXT(pwrite)(descriptor, bytes, size, where),
      NEXT(pwrite)(descriptor, bytes, (size + 1) / 2, where))
WRITE(pwrite64, (int descriptor, const void *bytes, size_t size, off64_t where),
      NEXT(pwrite64)(descriptor, bytes, size, where),
      NEXT(pwrite64)(descriptor, bytes, (size + 1) / 2, where))

#define OF_FILE(name, takes_room, parameters, arguments)                 \
    int name parameters                                                  \
    {                                                                    \
        if (held(descriptor) && moment(takes_room))                      \
            return -1;                                                   \
        return NEXT(name) arguments;                                     \
    }
OF_FILE(fsync, 1, (int descriptor), (descriptor))
OF_FILE(fdatasync, 1, (int descriptor), (descriptor))
OF_FILE(ftruncate, 0, (int descriptor, off_t size), (descriptor, size))
OF_FILE(ftruncate64, 0, (int descriptor, off64_t size), (descriptor, size))

#define OF_PATH(name, takes_room, parameters, arguments)                 \
    int name parameters                                                  \
    {                                                                    \
        if (inside(path) && moment(takes_room))                          \
            return -1;                                                   \
        return NEXT(name) arguments;                                     \
    }
OF_PATH(rename, 1, (const char *path, const char *to), (path, to))
OF_PATH(link, 1, (const char *path, const char *to), (path, to))
OF_PATH(symlink, 1, (const char *to, const char *path), (to, path))
OF_PATH(unlink, 0, (const char *path), (path))
OF_PATH(rmdir, 0, (const char *path), (path))
OF_PATH(mkdir, 1, (const char *path, mode_t mode), (path, mode))
OF_PATH(chmod, 0, (const char *path, mode_t mode), (path, mode))
OF_PATH(truncate, 0, (const char *path, off_t size), (path, size))
