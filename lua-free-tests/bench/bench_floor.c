/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * The least that telling many clients can cost: an event loop that does nothing but write the same bytes to each.
 *
 *     bench_floor ADDRESS PORT EVENT_FILE
 *
 * Whoever sends a request gets a head and stays connected; whoever sends the one byte "!" has the event sent to all of
 * those.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENTS_MAX  20000
#define EVENT_MAX    65536

static const char  head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";

static char    event_bytes[EVENT_MAX];
static size_t  event_len;
static int     clients[CLIENTS_MAX], clients_count, epoll;


static void
fail(const char *what)
{
    perror(what);
    exit(1);
}


static void
read_event(const char *path)
{
    FILE  *in;

    in = fopen(path, "r");
    if (in == NULL) {
        fail(path);
    }

    event_len = fread(event_bytes, 1, sizeof(event_bytes), in);
    fclose(in);
}


static void
watch(int fd)
{
    struct epoll_event  event;

    fcntl(fd, F_SETFL, O_NONBLOCK);
    event.events = EPOLLIN;
    event.data.fd = fd;

    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == -1) {
        fail("epoll_ctl");
    }
}


static void
leave(int fd)
{
    int  i;

    for (i = 0; i < clients_count; i++) {
        if (clients[i] == fd) {
            clients[i] = clients[--clients_count];
            break;
        }
    }

    close(fd);
}


static void
hear(int fd, const char *path)
{
    int      i;
    char     bytes[4096];
    ssize_t  n;

    n = read(fd, bytes, sizeof(bytes));

    if (n <= 0) {
        if (n == 0 || errno != EAGAIN) {
            leave(fd);
        }
        return;
    }

    if (n == 1 && bytes[0] == '!') {
        read_event(path);
        for (i = 0; i < clients_count; i++) {
            if (send(clients[i], event_bytes, event_len, MSG_NOSIGNAL) != (ssize_t) event_len) {
                fail("send");
            }
        }
        return;
    }

    if (clients_count == CLIENTS_MAX || send(fd, head, sizeof(head) - 1, MSG_NOSIGNAL) == -1) {
        close(fd);
        return;
    }

    clients[clients_count++] = fd;
}


int
main(int argc, char **argv)
{
    int                 i, n, fd, one = 1, listening;
    struct sockaddr_in  address;
    struct epoll_event  events[512];

    if (argc != 4) {
        fprintf(stderr, "usage: %s ADDRESS PORT EVENT_FILE\n", argv[0]);
        return 2;
    }

    memset(&address, 0, sizeof(address));
    address.sin_family = AF_INET;
    address.sin_port = htons(atoi(argv[2]));
    inet_pton(AF_INET, argv[1], &address.sin_addr);

    listening = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(listening, (struct sockaddr *) &address, sizeof(address)) == -1 || listen(listening, 511) == -1) {
        fail("listen");
    }

    epoll = epoll_create1(0);
    watch(listening);

    for ( ;; ) {
        n = epoll_wait(epoll, events, 512, -1);

        for (i = 0; i < n; i++) {
            if (events[i].data.fd != listening) {
                hear(events[i].data.fd, argv[3]);
                continue;
            }

            while ((fd = accept(listening, NULL, NULL)) != -1) {
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
                watch(fd);
            }
        }
    }
}
