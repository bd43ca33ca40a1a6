/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * Sends the same requests again and again over kept connections, one in flight on each:
 *
 *     bench_load [-n FIRST] [-l] ADDRESS PORT CONNECTIONS COUNT REQUEST_FILE...
 *
 * and prints: answers, answers that were no 2xx or 3xx, seconds, bytes read; with -l also the median and the 99th
 * percentile of what an answer took, in microseconds. A request file holds one request as it goes over the wire;
 * several are sent in turn. Connections that the server closes are opened again. With -n, the word @@NETWORK@@@ in a
 * request is an address of another /24 network with each request, by their numbers from FIRST on.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define REQUEST_MAX  65536
#define HEAD_MAX     16384
#define READ_SIZE    (256 * 1024)
#define NETWORK      "@@NETWORK@@@"     /* as long as what takes its place */


typedef struct {
    char   *bytes;
    size_t  len;
    char   *network;                    /* where an address is filled in, or NULL */
    int     head;
} request_t;

typedef enum { IN_HEAD, IN_BODY, IN_CHUNK_SIZE, IN_CHUNK, IN_CHUNK_END, IN_TRAILER } state_t;

typedef struct {
    int         fd;
    state_t     state;
    char        head[HEAD_MAX + 1];
    size_t      head_len;
    long long   left;
    size_t      line;               /* characters of the line that is read: a chunk's size, a trailer */
    size_t      sent;
    int         close;
    double      begun;
    request_t  *request;
} connection_t;


static struct sockaddr_in  address;
static request_t          *requests;
static size_t              requests_count, next_request;
static long long           to_send, answers, failures, bytes_read;
static long long           network = -1;
static double             *took;                /* seconds of each answer, where asked for */
static int                 epoll;


static void
fail(const char *what)
{
    perror(what);
    exit(1);
}


static void
connection_open(connection_t *c)
{
    int                 one = 1;
    struct epoll_event  event;

    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd == -1 || connect(c->fd, (struct sockaddr *) &address, sizeof(address)) == -1) {
        fail("connect");
    }

    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    fcntl(c->fd, F_SETFL, O_NONBLOCK);

    event.events = EPOLLIN;
    event.data.ptr = c;
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event) == -1) {
        fail("epoll_ctl");
    }
}


static double
now(void)
{
    struct timespec  t;

    clock_gettime(CLOCK_MONOTONIC, &t);

    return t.tv_sec + t.tv_nsec / 1e9;
}


static void
connection_send(connection_t *c)
{
    char  text[sizeof(NETWORK)];

    if (to_send == 0) {
        return;
    }

    to_send--;
    c->request = &requests[next_request++ % requests_count];
    c->state = IN_HEAD;
    c->head_len = 0;
    c->close = 0;

    if (network >= 0 && c->request->network != NULL) {
        snprintf(text, sizeof(text), "10.%03d.%03d.1", (int) (network >> 8 & 255), (int) (network & 255));
        memcpy(c->request->network, text, sizeof(NETWORK) - 1);
        network++;
    }

    if (took != NULL) {
        c->begun = now();
    }

    /* Requests are smaller than a socket's buffer. */
    if (write(c->fd, c->request->bytes, c->request->len) != (ssize_t) c->request->len) {
        fail("write");
    }
}


static void
connection_done(connection_t *c)
{
    int  status;

    status = atoi(c->head + 9);
    if (took != NULL) {
        took[answers] = now() - c->begun;
    }
    answers++;
    if (status < 200 || status >= 400) {
        failures++;
    }

    c->head_len = 0;
    if (c->close) {
        close(c->fd);
        connection_open(c);
    }

    connection_send(c);
}


static const char *
head_value(const char *head, const char *name)
{
    size_t       len;
    const char  *line;

    len = strlen(name);
    for (line = strstr(head, "\r\n"); line != NULL; line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, name, len) == 0 && line[2 + len] == ':') {
            return line + 2 + len + 1 + strspn(line + 2 + len + 1, " ");
        }
    }

    return NULL;
}


/* The head is complete: how the body ends. Returns 1 when there is none. */
static int
head_read(connection_t *c)
{
    int          status;
    const char  *value;

    status = atoi(c->head + 9);
    value = head_value(c->head, "Connection");
    c->close = value != NULL && strncasecmp(value, "close", 5) == 0;

    value = head_value(c->head, "Transfer-Encoding");
    if (value != NULL) {
        c->state = IN_CHUNK_SIZE;
        c->left = 0;
        c->line = 0;
        return c->request->head;
    }

    value = head_value(c->head, "Content-Length");
    c->left = value != NULL ? atoll(value) : 0;
    c->state = IN_BODY;

    return c->left == 0 || c->request->head || status == 204 || status == 304;
}


static size_t
read_head(connection_t *c, const char *p, size_t n, int *done)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        if (c->head_len == HEAD_MAX) {
            fprintf(stderr, "a response head is too large\n");
            exit(1);
        }

        c->head[c->head_len++] = p[i];
        if (p[i] == '\n' && c->head_len >= 4 && memcmp(c->head + c->head_len - 4, "\r\n\r\n", 4) == 0) {
            c->head[c->head_len] = '\0';
            *done = head_read(c);
            return i + 1;
        }
    }

    return n;
}


static size_t
read_chunked(connection_t *c, const char *p, size_t n, int *done)
{
    size_t     step;
    long long  digit;

    if (c->state == IN_CHUNK) {
        step = (long long) n < c->left ? n : (size_t) c->left;
        c->left -= step;
        if (c->left == 0) {
            c->state = IN_CHUNK_END;
        }
        return step;
    }

    if (*p == '\n') {
        if (c->state == IN_CHUNK_END) {
            c->state = IN_CHUNK_SIZE;
        } else if (c->state == IN_TRAILER) {
            *done = c->line == 0;
        } else {
            c->state = c->left ? IN_CHUNK : IN_TRAILER;
        }
        c->line = 0;
        return 1;
    }

    if (*p != '\r') {
        c->line++;
        if (c->state == IN_CHUNK_SIZE) {
            digit = *p <= '9' ? *p - '0' : (*p | 0x20) - 'a' + 10;
            c->left = c->left * 16 + digit;
        }
    }

    return 1;
}


static void
connection_feed(connection_t *c, const char *p, size_t n)
{
    int     done;
    size_t  step;

    while (n) {
        done = 0;

        if (c->state == IN_HEAD) {
            step = read_head(c, p, n, &done);

        } else if (c->state == IN_BODY) {
            step = (long long) n < c->left ? n : (size_t) c->left;
            c->left -= step;
            done = c->left == 0;

        } else {
            step = read_chunked(c, p, n, &done);
        }

        p += step;
        n -= step;
        if (done) {
            connection_done(c);
            return;
        }
    }
}


static void
request_load(request_t *r, const char *path)
{
    FILE         *file;
    static char   bytes[REQUEST_MAX];

    file = fopen(path, "rb");
    if (file == NULL) {
        fail(path);
    }

    r->len = fread(bytes, 1, REQUEST_MAX, file);
    r->bytes = malloc(r->len + 1);
    if (r->bytes == NULL) {
        fail("malloc");
    }

    memcpy(r->bytes, bytes, r->len);
    r->bytes[r->len] = '\0';
    r->head = r->len > 4 && memcmp(r->bytes, "HEAD", 4) == 0;
    r->network = strstr(r->bytes, NETWORK);
    fclose(file);
}


static void
run(long long total)
{
    int                  i, n;
    ssize_t              len;
    connection_t        *c;
    struct epoll_event   events[64];
    static char          buffer[READ_SIZE];

    while (answers < total) {
        n = epoll_wait(epoll, events, 64, 10000);
        if (n == 0) {
            fprintf(stderr, "no answer for 10 s\n");
            exit(1);
        }

        for (i = 0; i < n; i++) {
            c = events[i].data.ptr;
            len = read(c->fd, buffer, READ_SIZE);
            if (len == -1 && (errno == EAGAIN || errno == EINTR)) {
                continue;
            }
            if (len <= 0) {
                fprintf(stderr, "the server closed the connection before its answer was complete\n");
                exit(1);
            }
            bytes_read += len;
            connection_feed(c, buffer, len);
        }
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
    int            i, c, connections, latency;
    double         begin, seconds;
    long long      total;
    connection_t  *all;

    latency = 0;
    while ((c = getopt(argc, argv, "n:l")) != -1) {
        if (c == 'n') {
            network = atoll(optarg);
        } else if (c == 'l') {
            latency = 1;
        } else {
            return 2;
        }
    }

    argc -= optind;
    argv += optind;
    if (argc < 5) {
        fprintf(stderr, "usage: bench_load [-n FIRST] [-l] ADDRESS PORT CONNECTIONS COUNT REQUEST_FILE...\n");
        return 2;
    }

    address.sin_family = AF_INET;
    address.sin_port = htons(atoi(argv[1]));
    inet_pton(AF_INET, argv[0], &address.sin_addr);
    connections = atoi(argv[2]);
    total = to_send = atoll(argv[3]);
    requests_count = argc - 4;
    requests = calloc(requests_count, sizeof(request_t));
    all = calloc(connections, sizeof(connection_t));
    took = latency ? calloc(total, sizeof(double)) : NULL;
    epoll = epoll_create1(0);
    if (requests == NULL || all == NULL || (latency && took == NULL) || epoll == -1) {
        fail("start");
    }

    for (i = 4; i < argc; i++) {
        request_load(&requests[i - 4], argv[i]);
    }

    begin = now();
    for (i = 0; i < connections; i++) {
        connection_open(&all[i]);
        connection_send(&all[i]);
    }
    run(total);
    seconds = now() - begin;

    printf("%lld %lld %.6f %lld", answers, failures, seconds, bytes_read);
    if (latency) {
        qsort(took, answers, sizeof(double), by_size);
        printf(" %.0f %.0f", took[answers / 2] * 1e6, took[answers * 99 / 100] * 1e6);
    }
    printf("\n");

    free(took);
    free(requests);
    free(all);

    return 0;
}
