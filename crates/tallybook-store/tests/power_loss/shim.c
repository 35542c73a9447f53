/*
 * Power loss, for a program that writes below a directory: preloaded, it stands between the program
 * and the operating system, and remembers what every write replaced until a sync of that file.
 * At the chosen write or sync it puts that back, as if what was not synced had never reached the
 * disk, and ends the program at once. Renames and removals are taken to be durable when made.
 * It can also let one write or sync fail before that.
 *
 *   TALLYBOOK_TEST_DIRECTORY     only files below it
 *   TALLYBOOK_TEST_POWER_LOSS_AT the number of the write or sync, from 1
 *   TALLYBOOK_TEST_FAILURE_AT    the number of the write or sync that fails; 0: none
 *   TALLYBOOK_TEST_FAILING_SYNC  the number among the syncs of one that fails; 0: none
 *   TALLYBOOK_TEST_SEED          0: everything not synced is lost; else some of it, by chance
 *   TALLYBOOK_TEST_IGNORE_SYNCS  1: a sync keeps nothing
 *   TALLYBOOK_TEST_COUNT         1: a program that ends by itself says how many writes and syncs
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What one write or truncation replaced. */
struct undo {
    struct undo *older;
    ino_t inode;
    int fd;        /* a copy that is never closed: closing would drop the program's locks */
    off_t offset;  /* where the bytes stood */
    size_t length; /* how many; beyond the old end of the file they are zeros */
    off_t size;    /* of the file, before */
    char bytes[];
};

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static struct undo *newest;
static long events, at, failure_at, syncs, failing_sync;
static unsigned long seed, state;
static int ignore_syncs;
static const char *directory;

static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_ftruncate)(int, off_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);

static long number(const char *name)
{
    const char *text = getenv(name);
    return text ? atol(text) : 0;
}

__attribute__((constructor)) static void start(void)
{
    real_write = dlsym(RTLD_NEXT, "write");
    real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    real_ftruncate = dlsym(RTLD_NEXT, "ftruncate64");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    directory = getenv("TALLYBOOK_TEST_DIRECTORY");
    at = number("TALLYBOOK_TEST_POWER_LOSS_AT");
    failure_at = number("TALLYBOOK_TEST_FAILURE_AT");
    failing_sync = number("TALLYBOOK_TEST_FAILING_SYNC");
    seed = state = (unsigned long)number("TALLYBOOK_TEST_SEED");
    ignore_syncs = number("TALLYBOOK_TEST_IGNORE_SYNCS") == 1;
}

__attribute__((destructor)) static void end(void)
{
    if (number("TALLYBOOK_TEST_COUNT") == 1)
        dprintf(STDOUT_FILENO, "\nevents %ld\n", events);
}

/* Whether the file is one that a power loss would touch. */
static int is_ours(int fd, struct stat *info)
{
    char link[64], path[4096];
    if (!directory || !at || fstat(fd, info) != 0 || !S_ISREG(info->st_mode))
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    /* SQLite's shared memory is made anew at each start. Cutting it off here would kill the threads
     * that have it mapped, before this program ends in its own way. */
    if (length > 4 && strcmp(path + length - 4, "-shm") == 0)
        return 0;
    return strncmp(path, directory, strlen(directory)) == 0;
}

static void lose_power(void)
{
    for (struct undo *undo = newest; undo; undo = undo->older) {
        if (seed) {
            state = state * 6364136223846793005UL + 1442695040888963407UL;
            if (state >> 63)
                continue;
        }
        real_pwrite(undo->fd, undo->bytes, undo->length, undo->offset);
        /* By chance the file may stay longer, with zeros where nothing was. */
        if (!seed)
            real_ftruncate(undo->fd, undo->size);
    }
    _exit(99);
}

/*
 * Says whether this write or sync is to fail. Called with the turn taken, which a power loss never
 * gives back.
 */
static int fails(void)
{
    if (++events == at)
        lose_power();
    if (events == failure_at)
        errno = EIO;
    return events == failure_at;
}

static void remember(int fd, const struct stat *info, off_t offset, size_t length)
{
    struct undo *undo = calloc(1, sizeof *undo + length);
    if (!undo)
        abort();
    undo->inode = info->st_ino;
    undo->fd = dup(fd);
    undo->offset = offset;
    undo->length = length;
    undo->size = info->st_size;
    if (offset < info->st_size && pread(fd, undo->bytes, length, offset) < 0)
        abort();
    undo->older = newest;
    newest = undo;
}

/* What was written to the file before now is durable. */
static void forget(ino_t inode)
{
    for (struct undo **place = &newest; *place;) {
        struct undo *undo = *place;
        if (undo->inode != inode) {
            place = &undo->older;
            continue;
        }
        *place = undo->older;
        free(undo);
    }
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off_t offset)
{
    struct stat info;
    ssize_t written = -1;
    pthread_mutex_lock(&turn);
    int ours = is_ours(fd, &info);
    if (!ours || !fails()) {
        if (ours)
            remember(fd, &info, offset, length);
        written = real_pwrite(fd, bytes, length, offset);
    }
    pthread_mutex_unlock(&turn);
    return written;
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset)
{
    return pwrite64(fd, bytes, length, offset);
}

ssize_t write(int fd, const void *bytes, size_t length)
{
    struct stat info;
    ssize_t written = -1;
    if (!is_ours(fd, &info))
        return real_write(fd, bytes, length);
    pthread_mutex_lock(&turn);
    if (!fails()) {
        fstat(fd, &info);
        remember(fd, &info, lseek(fd, 0, SEEK_CUR), length);
        written = real_write(fd, bytes, length);
    }
    pthread_mutex_unlock(&turn);
    return written;
}

int ftruncate64(int fd, off_t size)
{
    struct stat info;
    int outcome = -1;
    pthread_mutex_lock(&turn);
    int ours = is_ours(fd, &info);
    if (!ours || !fails()) {
        if (ours)
            remember(fd, &info, size, info.st_size > size ? (size_t)(info.st_size - size) : 0);
        outcome = real_ftruncate(fd, size);
    }
    pthread_mutex_unlock(&turn);
    return outcome;
}

int ftruncate(int fd, off_t size)
{
    return ftruncate64(fd, size);
}

/* A sync that fails keeps nothing; the next one may. */
static int sync_with(int (*real_sync)(int), int fd)
{
    struct stat info;
    int outcome = -1;
    pthread_mutex_lock(&turn);
    int ours = is_ours(fd, &info);
    if (ours && ++syncs == failing_sync)
        failure_at = events + 1;
    if (!ours || !fails()) {
        if (ours && !ignore_syncs)
            forget(info.st_ino);
        outcome = real_sync(fd);
    }
    pthread_mutex_unlock(&turn);
    return outcome;
}

int fsync(int fd)
{
    return sync_with(real_fsync, fd);
}

int fdatasync(int fd)
{
    return sync_with(real_fdatasync, fd);
}
