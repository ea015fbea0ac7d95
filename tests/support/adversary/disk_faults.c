/* Faults of a file system, put before libc by LD_PRELOAD.  What happens, and when, stands in a file that
 * the test maps as well ($DISK_FAULTS); only files under $DISK_FAULTS_UNDER are touched. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

enum { NONE, WRITE_EIO, DISK_FULL, SHORT_WRITE, SYNC_EIO, LYING_SYNC, SLOW };
struct faults { int64_t kind, countdown, delay_us, hits; };

static struct faults *faults;
static const char *under;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("DISK_FAULTS");
    under = getenv("DISK_FAULTS_UNDER");
    int fd = path && under ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0) return;
    void *map = mmap(NULL, sizeof *faults, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map != MAP_FAILED) faults = map;
    close(fd);
}

static int ours(int fd) {
    char link[64], path[4096];
    if (!faults || !faults->kind) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size < 0) return 0;
    path[size] = 0;
    return strncmp(path, under, strlen(under)) == 0;
}

/* Whether it happens now: once, but a full disk stays full and a slow or lying one is so always. */
static int strikes(int64_t kind) {
    if (faults->kind != kind) return 0;
    int64_t left = __atomic_sub_fetch(&faults->countdown, 1, __ATOMIC_SEQ_CST);
    if (left > 0 || (left < 0 && kind < LYING_SYNC && kind != DISK_FULL)) return 0;
    __atomic_add_fetch(&faults->hits, 1, __ATOMIC_SEQ_CST);
    return 1;
}

static ssize_t faulty_write(int fd, const struct iovec *parts, int count, off_t at, int flags) {
    static ssize_t (*real)(int, const struct iovec *, int, off_t, int);
    if (!real) real = (ssize_t(*)(int, const struct iovec *, int, off_t, int))dlsym(RTLD_NEXT, "pwritev2");
    if (!ours(fd)) return real(fd, parts, count, at, flags);
    if (strikes(SLOW)) usleep((useconds_t)faults->delay_us);
    if (strikes(WRITE_EIO)) {
        errno = EIO;
        return -1;
    }
    if (strikes(DISK_FULL)) {
        errno = ENOSPC;
        return -1;
    }
    if (count == 1 && parts[0].iov_len > 512 && strikes(SHORT_WRITE)) {
        struct iovec half = {parts[0].iov_base, parts[0].iov_len / 1024 * 512};
        return real(fd, &half, 1, at, flags);
    }
    if (flags & RWF_DSYNC && strikes(SYNC_EIO)) {
        real(fd, parts, count, at, flags & ~RWF_DSYNC);
        errno = EIO;
        return -1;
    }
    if (flags & RWF_DSYNC && strikes(LYING_SYNC)) flags &= ~RWF_DSYNC;
    return real(fd, parts, count, at, flags);
}

ssize_t pwritev2(int fd, const struct iovec *parts, int count, off_t at, int flags) {
    return faulty_write(fd, parts, count, at, flags);
}
ssize_t pwritev64v2(int fd, const struct iovec *parts, int count, off_t at, int flags) {
    return faulty_write(fd, parts, count, at, flags);
}

static int faulty_sync(int fd, const char *name) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    if (!ours(fd)) return real(fd);
    if (strikes(SLOW)) usleep((useconds_t)faults->delay_us);
    if (strikes(SYNC_EIO)) {
        errno = EIO;
        return -1;
    }
    return strikes(LYING_SYNC) ? 0 : real(fd);
}
int fsync(int fd) { return faulty_sync(fd, "fsync"); }
int fdatasync(int fd) { return faulty_sync(fd, "fdatasync"); }
