/* Enter an order over shared memory, replace it under a name in text, cancel it, log out:
 *
 *     cc -std=c11 -O2 example.c -o example
 *     ./example shm.socket ALICE KEY OUTCRY
 *
 * KEY: the session's 64 hexadecimal digits.  It also compiles as C++17 (c++ -std=c++17 -x c++). */
#include "outcry_client.h"

#include <stdio.h>

static int read_key(const char *digits, uint8_t key[32]) {
    for (int i = 0; i < 32; i++) {
        unsigned byte;
        if (sscanf(digits + 2 * i, "%2x", &byte) != 1) return 0;
        key[i] = (uint8_t)byte;
    }
    return digits[64] == 0;
}

/* Print replies until one of this kind comes; 0, or 1 if the session ends before. */
static int read_until(struct outcry_session *session, int kind) {
    for (;;) {
        const struct outcry_reply *reply = outcry_next(session);
        if (reply == NULL) {
            if (outcry_end(session) != OUTCRY_END_NONE || outcry_has_closed(session)) return 1;
            outcry_keep_alive(session);
            continue;
        }
        const int got = reply->kind;
        if (got == OUTCRY_REPLY_NAMES) {
            const struct outcry_names *names = (const struct outcry_names *)(const void *)reply;
            printf("%lld %c id=%.36s\n", (long long)names->seq, got, (const char *)names->id);
            outcry_done(session);
            continue;
        }
        printf("%lld %c id=%lld request=%lld leaves=%lld reason=%d\n", (long long)reply->seq, got,
               (long long)reply->id, (long long)reply->request, (long long)reply->leaves_lots,
               reply->reason);
        outcry_done(session);
        if (got == kind) return 0;
    }
}

int main(int count, char **words) {
    struct outcry_session session;
    uint8_t key[32];
    if (count != 5 || strlen(words[3]) != 64 || !read_key(words[3], key)) {
        fprintf(stderr, "usage: %s SOCKET NAME KEY SYMBOL\n", words[0]);
        return 2;
    }
    const int failed = outcry_login(&session, words[1], words[2], key, 0, "");
    if (failed != 0) {
        fprintf(stderr, "login failed: %d\n", failed);
        return 1;
    }
    printf("day %s, %lld requests before\n", session.day, (long long)session.taken_before);
    outcry_enter(&session, 1, OUTCRY_SIDE_BUY, outcry_symbol(words[4]), 100, 10000);
    if (read_until(&session, OUTCRY_REPLY_ACCEPTED) != 0) return 1;
    struct outcry_request *request = outcry_request(&session);
    request->kind = OUTCRY_REQUEST_REPLACE;
    request->orig_id = 1;
    request->qty_lots = 60;
    request->price_ticks = 10100;
    if (!outcry_name(&session, request, "order-b", NULL)) return 1;
    outcry_publish(&session, request);
    if (read_until(&session, OUTCRY_REPLY_REPLACED) != 0) return 1;
    request = outcry_request(&session);
    request->kind = OUTCRY_REQUEST_CANCEL;
    if (!outcry_name(&session, request, NULL, "order-b")) return 1;
    outcry_publish(&session, request);
    if (read_until(&session, OUTCRY_REPLY_CANCELED) != 0) return 1;
    outcry_logout(&session);
    return 0;
}
