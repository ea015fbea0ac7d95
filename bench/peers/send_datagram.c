/* A bare sendto: datagrams of one size, each a pause after the one before, from a thread that never
 * sleeps: what handing one to this machine's sockets costs and nothing else.  With "handed" it is not
 * the thread that decides when: another one writes a word, as a gate does that releases an event.
 *
 *   send_datagram ADDRESS PORT BYTES COUNT PAUSE_NS [handed]   prints ns: median, 99th percentile */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static char data[1 << 16];
static size_t bytes, count;
static struct sockaddr_in to = {.sin_family = AF_INET};
static int fd;
static struct {
    _Alignas(128) int64_t number; /* of the datagram that may leave */
    _Alignas(128) int64_t left, left_ns;
} handed;

static int send_one(void)
{
    return sendto(fd, data, bytes, MSG_DONTWAIT, (struct sockaddr *)&to, sizeof to) < 0;
}

static void *sender(void *unused)
{
    for (int64_t number = 1; number <= (int64_t)count; number++) {
        while (__atomic_load_n(&handed.number, __ATOMIC_ACQUIRE) != number)
            ;
        if (send_one())
            exit(1);
        handed.left_ns = now_ns();
        __atomic_store_n(&handed.left, number, __ATOMIC_RELEASE);
    }
    return unused;
}

int main(int argc, char **argv)
{
    if (argc != 6 && argc != 7)
        return 2;
    bytes = strtoul(argv[3], NULL, 10), count = strtoul(argv[4], NULL, 10);
    int64_t pause_ns = strtoll(argv[5], NULL, 10);
    to.sin_port = htons(atoi(argv[2]));
    struct in_addr local = {htonl(INADDR_LOOPBACK)};
    fd = socket(AF_INET, SOCK_DGRAM, 0);
    int64_t *times = malloc(count * sizeof *times);
    if (bytes > sizeof data || count < 100 || !times || fd < 0 ||
        inet_pton(AF_INET, argv[1], &to.sin_addr) != 1 ||
        setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &local, sizeof local))
        return 2;
    pthread_t thread;
    int by_other = argc == 7;
    if (by_other && pthread_create(&thread, NULL, sender, NULL))
        return 1;
    for (size_t i = 0; i < count; i++) {
        int64_t start = now_ns();
        while (now_ns() - start < pause_ns)
            ;
        start = now_ns();
        if (by_other) {
            __atomic_store_n(&handed.number, i + 1, __ATOMIC_RELEASE);
            while (__atomic_load_n(&handed.left, __ATOMIC_ACQUIRE) != (int64_t)i + 1)
                ;
            times[i] = handed.left_ns - start;
        } else {
            if (send_one())
                return 1;
            times[i] = now_ns() - start;
        }
    }
    if (by_other)
        pthread_join(thread, NULL);
    qsort(times, count, sizeof *times, compare);
    printf("%lld %lld\n", (long long)times[count / 2], (long long)times[count * 99 / 100]);
    return 0;
}
