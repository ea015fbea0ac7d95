/* A bare TCP echo: one connection, no protocol.  Answers so many bytes for every so many that come,
 * from one thread that never sleeps: what the sockets of this machine cost and nothing else.
 *
 *   tcp_echo ASKED ANSWERED    prints its port, serves one client, ends when he goes */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    size_t asked = strtoul(argv[1], NULL, 10), answered = strtoul(argv[2], NULL, 10);
    static char in[1 << 16], out[1 << 16];
    if (asked == 0 || answered == 0 || answered > sizeof out)
        return 2;
    int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, size) ||
        listen(listener, 1) || getsockname(listener, (struct sockaddr *)&address, &size))
        return 1;
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    int client = accept(listener, NULL, NULL);
    if (client < 0)
        return 1;
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    memset(out, 'e', sizeof out);
    for (size_t got = 0;;) {
        ssize_t more = recv(client, in, sizeof in, MSG_DONTWAIT);
        if (more == 0)
            return 0;
        for (got += more > 0 ? (size_t)more : 0; got >= asked; got -= asked)
            for (size_t sent = 0; sent < answered;) {
                ssize_t done = send(client, out + sent, answered - sent, MSG_NOSIGNAL);
                if (done <= 0)
                    return 0;
                sent += (size_t)done;
            }
    }
}
