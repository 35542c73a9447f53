/* How much freed memory the C library keeps for itself: little, because the cache of statements has
 * a limit that people set by the memory that they have.
 *
 * Left to itself, glibc keeps up to 64 MB at the end of each of 8 arenas a core once columns of some
 * megabytes were freed: 400 MB beyond a limit of 512. With these numbers a statement's columns go
 * back to the system when they are dropped, while what an answer needs again and again stays.
 * It is in C, before main, because Rust can only say it in unsafe code. Whoever tunes the C library
 * by its own variables is left alone. */

#include <malloc.h>
#include <stdlib.h>
#include <unistd.h>

enum { MEGABYTE = 1024 * 1024, FEWEST_ARENAS = 2, MOST_ARENAS = 8 };

__attribute__((constructor)) static void keep_little(void)
{
    long arenas = sysconf(_SC_NPROCESSORS_ONLN);
    if (getenv("GLIBC_TUNABLES") || getenv("MALLOC_ARENA_MAX"))
        return;
    if (arenas < FEWEST_ARENAS)
        arenas = FEWEST_ARENAS;
    if (arenas > MOST_ARENAS)
        arenas = MOST_ARENAS;
    mallopt(M_ARENA_MAX, (int)arenas);
    /* From this size on memory comes from the system by itself and goes back to it at once: most
     * columns of a table, but not a day's rows of an answer, whose pages would be new each time. */
    mallopt(M_MMAP_THRESHOLD, 2 * MEGABYTE);
    /* What an arena keeps at its end: the rows of two periods of an answer. */
    mallopt(M_TRIM_THRESHOLD, 4 * MEGABYTE);
}
