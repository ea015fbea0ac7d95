/* A bare sendto: datagrams of one size, each a pause after the one before, from one thread that never
 * sleeps: what handing one to this machine's sockets costs and nothing else.
 *
 *   send_datagram ADDRESS PORT BYTES COUNT PAUSE_NS    prints ns: median and 99th percentile */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
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

int main(int argc, char **argv)
{
    if (argc != 6)
        return 2;
    static char data[1 << 16];
    size_t bytes = strtoul(argv[3], NULL, 10), count = strtoul(argv[4], NULL, 10);
    int64_t pause_ns = strtoll(argv[5], NULL, 10);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[2]))};
    struct in_addr local = {htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    int64_t *times = malloc(count * sizeof *times);
    if (bytes > sizeof data || count < 100 || !times || fd < 0 ||
        inet_pton(AF_INET, argv[1], &to.sin_addr) != 1 ||
        setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &local, sizeof local))
        return 2;
    for (size_t i = 0; i < count; i++) {
        int64_t start = now_ns();
        while (now_ns() - start < pause_ns)
            ;
        start = now_ns();
        if (sendto(fd, data, bytes, MSG_DONTWAIT, (struct sockaddr *)&to, sizeof to) < 0)
            return 1;
        times[i] = now_ns() - start;
    }
    qsort(times, count, sizeof *times, compare);
    printf("%lld %lld\n", (long long)times[count / 2], (long long)times[count * 99 / 100]);
    return 0;
}
