/* What would be on the disk after a power cut? Preloaded into a process, this keeps a shadow of every file in one
 * folder, as it was at its last fsync: writes reach the shadow only when fsync or fdatasync says that they must.
 *
 * UNSYNCED_FOLDER: the folder, absolute. UNSYNCED_SHADOW: where the shadows are. UNSYNCED_LIES=1: fsync is not heard,
 * as with a disk that lies. What is mapped into memory is not seen: SQLite's -shm, which no crash keeps, is left out.
 * A new name, a rename and an unlink count as durable at once, as on a journaling file system that syncs its directory.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define MOST_FILES 65536
#define PIECE 262144

struct range {
    off_t from, to;
};

struct file {
    char name[NAME_MAX + 1];
    struct range *ranges;
    size_t count, room;
    struct file *next;
};

static const char *folder, *shadows;
static size_t folder_length;
static int lies;
static struct file *files;
static struct file *of[MOST_FILES];
static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static char buffer[PIECE];

#define REAL(result, name, ...) static result (*real_##name)(__VA_ARGS__)
REAL(int, openat, int, const char *, int, ...);
REAL(int, close, int);
REAL(ssize_t, write, int, const void *, size_t);
REAL(ssize_t, writev, int, const struct iovec *, int);
REAL(ssize_t, pwrite64, int, const void *, size_t, off64_t);
REAL(ssize_t, pwritev64, int, const struct iovec *, int, off64_t);
REAL(int, ftruncate64, int, off64_t);
REAL(int, fsync, int);
REAL(int, fdatasync, int);
REAL(int, rename, const char *, const char *);
REAL(int, unlink, const char *);

static void die(const char *what) {
    fprintf(stderr, "unsynced: %s: %s\n", what, strerror(errno));
    _exit(97);
}

static void *found(const char *name) {
    void *symbol = dlsym(RTLD_NEXT, name);
    if (symbol == NULL) die(name);
    return symbol;
}

__attribute__((constructor)) static void begin(void) {
    real_openat = found("openat");
    real_close = found("close");
    real_write = found("write");
    real_writev = found("writev");
    real_pwrite64 = found("pwrite64");
    real_pwritev64 = found("pwritev64");
    real_ftruncate64 = found("ftruncate64");
    real_fsync = found("fsync");
    real_fdatasync = found("fdatasync");
    real_rename = found("rename");
    real_unlink = found("unlink");
    shadows = getenv("UNSYNCED_SHADOW");
    lies = getenv("UNSYNCED_LIES") != NULL;
    const char *watched = getenv("UNSYNCED_FOLDER");
    if (watched != NULL && shadows != NULL) {
        folder_length = strlen(watched);
        folder = watched;
    }
}

/* The name of a file in the folder, or NULL. */
static const char *watched(const char *path) {
    if (folder == NULL || path == NULL || strncmp(path, folder, folder_length) != 0 || path[folder_length] != '/')
        return NULL;
    const char *name = path + folder_length + 1;
    size_t length = strlen(name);
    if (length == 0 || length > NAME_MAX || strchr(name, '/') != NULL) return NULL;
    if (length >= 4 && strcmp(name + length - 4, "-shm") == 0) return NULL;
    if (length >= 5 && strcmp(name + length - 5, ".lock") == 0) return NULL;
    return name;
}

static void shadow_path(char *path, const char *name) {
    if (snprintf(path, PATH_MAX, "%s/%s", shadows, name) >= PATH_MAX) {
        errno = ENAMETOOLONG;
        die(name);
    }
}

static struct file *known(const char *name) {
    struct file *file = files;
    while (file != NULL && strcmp(file->name, name) != 0) file = file->next;
    return file;
}

static void dirty(struct file *file, off_t from, off_t to) {
    if (to <= from) return;
    struct range *last = file->count ? &file->ranges[file->count - 1] : NULL;
    if (last != NULL && from >= last->from && from <= last->to) {
        if (to > last->to) last->to = to;
        return;
    }
    if (file->count == file->room) {
        file->room = file->room ? 2 * file->room : 256;
        file->ranges = realloc(file->ranges, file->room * sizeof *file->ranges);
        if (file->ranges == NULL) die("memory");
    }
    file->ranges[file->count++] = (struct range){from, to};
}

static int opened(int fd, const char *path, int flags) {
    const char *name = fd >= 0 && fd < MOST_FILES ? watched(path) : NULL;
    if (name == NULL || (flags & O_DIRECTORY)) return fd;
    pthread_mutex_lock(&guard);
    struct file *file = known(name);
    if (file == NULL) {
        char shadow[PATH_MAX];
        struct stat now;
        file = calloc(1, sizeof *file);
        if (file == NULL) die("memory");
        strcpy(file->name, name);
        file->next = files;
        files = file;
        shadow_path(shadow, name);
        if (access(shadow, F_OK) != 0 && fstat(fd, &now) == 0) dirty(file, 0, now.st_size);
    }
    of[fd] = file;
    pthread_mutex_unlock(&guard);
    return fd;
}

static struct file *watching(int fd) { return fd >= 0 && fd < MOST_FILES ? of[fd] : NULL; }

static void wrote(int fd, off_t from, ssize_t count) {
    struct file *file = count > 0 ? watching(fd) : NULL;
    if (file == NULL) return;
    pthread_mutex_lock(&guard);
    dirty(file, from, from + count);
    pthread_mutex_unlock(&guard);
}

/* What was written goes to the shadow. The guard is held. */
static void keep(struct file *file, int fd) {
    char path[PATH_MAX];
    struct stat now;
    shadow_path(path, file->name);
    int shadow = real_openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (shadow < 0) die(path);
    for (size_t n = 0; n < file->count; n++) {
        off_t at = file->ranges[n].from, to = file->ranges[n].to;
        while (at < to) {
            size_t size = to - at < PIECE ? (size_t)(to - at) : PIECE;
            ssize_t got = pread(fd, buffer, size, at);
            if (got < 0) die("reading back");
            if (got == 0) break;
            if (real_pwrite64(shadow, buffer, (size_t)got, at) != got) die(path);
            at += got;
        }
    }
    file->count = 0;
    if (fstat(fd, &now) != 0 || real_ftruncate64(shadow, now.st_size) != 0) die(path);
    real_close(shadow);
}

static int synced(int fd, int (*real)(int)) {
    struct file *file = watching(fd);
    if (file == NULL) return real(fd);
    pthread_mutex_lock(&guard);
    int result = real(fd);
    if (result == 0 && !lies) keep(file, fd);
    pthread_mutex_unlock(&guard);
    return result;
}

/* The calls. */

#define MODE_OF(flags, mode)                              \
    if ((flags) & (O_CREAT | O_TMPFILE)) {                \
        va_list more;                                     \
        va_start(more, flags);                            \
        mode = va_arg(more, mode_t);                      \
        va_end(more);                                     \
    }

int open(const char *path, int flags, ...) {
    mode_t mode = 0;
    MODE_OF(flags, mode)
    return opened(real_openat(AT_FDCWD, path, flags, mode), path, flags);
}

int open64(const char *path, int flags, ...) {
    mode_t mode = 0;
    MODE_OF(flags, mode)
    return opened(real_openat(AT_FDCWD, path, flags, mode), path, flags);
}

int openat(int at, const char *path, int flags, ...) {
    mode_t mode = 0;
    MODE_OF(flags, mode)
    return opened(real_openat(at, path, flags, mode), path, flags);
}

int openat64(int at, const char *path, int flags, ...) {
    mode_t mode = 0;
    MODE_OF(flags, mode)
    return opened(real_openat(at, path, flags, mode), path, flags);
}

int close(int fd) {
    if (watching(fd) != NULL) of[fd] = NULL;
    return real_close(fd);
}

ssize_t write(int fd, const void *octets, size_t count) {
    ssize_t result = real_write(fd, octets, count);
    if (result > 0 && watching(fd) != NULL) wrote(fd, lseek(fd, 0, SEEK_CUR) - result, result);
    return result;
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    ssize_t result = real_writev(fd, parts, count);
    if (result > 0 && watching(fd) != NULL) wrote(fd, lseek(fd, 0, SEEK_CUR) - result, result);
    return result;
}

ssize_t pwrite64(int fd, const void *octets, size_t count, off64_t at) {
    ssize_t result = real_pwrite64(fd, octets, count, at);
    wrote(fd, at, result);
    return result;
}

ssize_t pwrite(int fd, const void *octets, size_t count, off_t at) { return pwrite64(fd, octets, count, at); }

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t at) {
    ssize_t result = real_pwritev64(fd, parts, count, at);
    wrote(fd, at, result);
    return result;
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at) { return pwritev64(fd, parts, count, at); }

int ftruncate64(int fd, off64_t length) {
    struct stat before;
    struct file *file = watching(fd);
    if (file != NULL && fstat(fd, &before) == 0) wrote(fd, length, before.st_size - length); /* zeros, if it grows again */
    return real_ftruncate64(fd, length);
}

int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

int fsync(int fd) { return synced(fd, real_fsync); }

int fdatasync(int fd) { return synced(fd, real_fdatasync); }

static void gone(const char *name) {
    char path[PATH_MAX];
    shadow_path(path, name);
    real_unlink(path);
    for (struct file *file = files; file != NULL; file = file->next)
        if (strcmp(file->name, name) == 0) file->name[0] = '\0'; /* who has it open writes to nowhere */
}

int unlink(const char *path) {
    int result = real_unlink(path);
    const char *name = watched(path);
    if (result == 0 && name != NULL) {
        pthread_mutex_lock(&guard);
        for (int fd = 0; fd < MOST_FILES; fd++)
            if (of[fd] != NULL && strcmp(of[fd]->name, name) == 0) of[fd] = NULL;
        gone(name);
        pthread_mutex_unlock(&guard);
    }
    return result;
}

int rename(const char *from, const char *to) {
    int result = real_rename(from, to);
    const char *old = watched(from), *new = watched(to);
    if (result == 0 && old != NULL && new != NULL) {
        char before[PATH_MAX], after[PATH_MAX];
        pthread_mutex_lock(&guard);
        gone(new);
        shadow_path(before, old);
        shadow_path(after, new);
        real_rename(before, after);
        struct file *file = known(old);
        if (file != NULL) strcpy(file->name, new);
        pthread_mutex_unlock(&guard);
    }
    return result;
}
