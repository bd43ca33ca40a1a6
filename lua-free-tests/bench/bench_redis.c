/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * What a recorded choice costs Redis, and takes, when a bare client sends it: the same commands, one choice at a time on
 * each of many connections.
 *
 *     bench_redis [-l] SOCKET|ADDRESS:PORT CONNECTIONS COUNT
 *
 * and prints how many were sent; with -l also the median and the 99th percentile of what an answer took, in
 * microseconds.
 */

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "pvr.h"


typedef struct {
    int           fd;
    int           left;             /* replies to come */
    double        begun;
    redisReader  *reader;
} connection_t;


static long     sent, answered, total;
static double  *took;


static void
fail(const char *what)
{
    perror(what);
    exit(1);
}


static double
now(void)
{
    struct timespec  t;

    clock_gettime(CLOCK_MONOTONIC, &t);

    return t.tv_sec + t.tv_nsec / 1e9;
}


static int
connect_to(const char *target)
{
    int                  fd, one = 1;
    char                 host[64];
    const char          *port;
    struct sockaddr_in   in;
    struct sockaddr_un   un;

    memset(&in, 0, sizeof(in));
    memset(&un, 0, sizeof(un));
    port = strrchr(target, ':');

    if (port == NULL) {
        un.sun_family = AF_UNIX;
        snprintf(un.sun_path, sizeof(un.sun_path), "%s", target);
        fd = socket(AF_UNIX, SOCK_STREAM, 0);
        if (fd == -1 || connect(fd, (struct sockaddr *) &un, sizeof(un)) == -1) {
            fail(target);
        }
        return fd;
    }

    snprintf(host, sizeof(host), "%.*s", (int) (port - target), target);
    in.sin_family = AF_INET;
    in.sin_port = htons(atoi(port + 1));
    fd = socket(AF_INET, SOCK_STREAM, 0);
    if (inet_pton(AF_INET, host, &in.sin_addr) != 1 || fd == -1
        || connect(fd, (struct sockaddr *) &in, sizeof(in)) == -1
        || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) == -1)
    {
        fail(target);
    }

    return fd;
}


static void
connection_send(connection_t *c)
{
    int            pid;
    pv_str_t       site = { (const unsigned char *) "bench", 5 }, record;
    pv_buf_t       out;
    unsigned char  subject[PV_SUBJECT_LEN], bytes[PV_RECORD_MAX];

    if (sent == total) {
        return;
    }

    memset(bytes, 0x5a, sizeof(bytes));
    record.data = bytes;
    record.len = 58;

    pid = getpid();
    memset(subject, 0, sizeof(subject));
    memcpy(subject, &sent, sizeof(sent));
    memcpy(subject + 8, &pid, sizeof(pid));
    sent++;

    c->left = PVR_LEDGER_APPEND_REPLIES;
    c->begun = now();

    pv_buf_init(&out, 4096);
    if (pvr_ledger_append(&out, site, subject, 1, record, 86400) != PV_OK
        || write(c->fd, out.data, out.len) != (ssize_t) out.len)
    {
        fail("write");
    }
    pv_buf_free(&out);
}


/* Four replies: OK, QUEUED, QUEUED and the array of EXEC. */
static void
connection_read(connection_t *c)
{
    char      bytes[4096];
    void     *reply;
    ssize_t   n;

    n = read(c->fd, bytes, sizeof(bytes));
    if (n <= 0 || redisReaderFeed(c->reader, bytes, n) != REDIS_OK) {
        fail("read");
    }

    while (c->left && redisReaderGetReply(c->reader, &reply) == REDIS_OK && reply != NULL) {
        if (--c->left == 0 && pvr_ledger_appended(reply) != 1) {
            fprintf(stderr, "not appended\n");
            exit(1);
        }
        freeReplyObject(reply);
    }

    if (c->left == 0) {
        took[answered++] = now() - c->begun;
        connection_send(c);
    }
}


static int
by_size(const void *one, const void *two)
{
    double  a = *(const double *) one, b = *(const double *) two;

    return (a > b) - (a < b);
}


int
main(int argc, char **argv)
{
    int                  i, n, connections, epoll, latency;
    connection_t        *all;
    struct epoll_event   event, events[64];

    latency = argc > 1 && strcmp(argv[1], "-l") == 0;
    argc -= latency;
    argv += latency;
    if (argc != 4) {
        fprintf(stderr, "usage: bench_redis [-l] SOCKET|ADDRESS:PORT CONNECTIONS COUNT\n");
        return 2;
    }

    connections = atoi(argv[2]);
    total = atol(argv[3]);
    all = calloc(connections, sizeof(connection_t));
    took = calloc(total, sizeof(double));
    epoll = epoll_create1(0);
    if (all == NULL || took == NULL || epoll == -1) {
        fail("start");
    }

    for (i = 0; i < connections; i++) {
        all[i].fd = connect_to(argv[1]);
        all[i].reader = redisReaderCreate();
        event.events = EPOLLIN;
        event.data.ptr = &all[i];
        if (all[i].reader == NULL || epoll_ctl(epoll, EPOLL_CTL_ADD, all[i].fd, &event) == -1) {
            fail("start");
        }
        connection_send(&all[i]);
    }

    while (answered < total) {
        n = epoll_wait(epoll, events, 64, 10000);
        if (n <= 0) {
            fprintf(stderr, "no answer for 10 s\n");
            return 1;
        }
        for (i = 0; i < n; i++) {
            connection_read(events[i].data.ptr);
        }
    }

    printf("%ld", answered);
    if (latency) {
        qsort(took, answered, sizeof(double), by_size);
        printf(" %.0f %.0f", took[answered / 2] * 1e6, took[answered * 99 / 100] * 1e6);
    }
    printf("\n");

    for (i = 0; i < connections; i++) {
        redisReaderFree(all[i].reader);
    }
    free(all);
    free(took);

    return 0;
}
