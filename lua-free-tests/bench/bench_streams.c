/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * Holds many event streams open, and says when the last of them got an event:
 *
 *     bench_streams [-2 | -t] ADDRESS PORT COUNT REQUEST_FILE OPEN_MARK [KEYS_FILE SITE]
 *
 * The request goes out on each connection, with "{binding}" in it replaced by a binding of one user each; a stream is
 * open when OPEN_MARK came. -2: HTTP/2 without TLS, from the same file; -t: over TLS. Commands, a line each on standard
 * input:
 *
 *     open                     opens all; prints "open COUNT MILLISECONDS"
 *     send WHERE FILE MARK     sends the file to a server (ADDRESS:PORT or a unix socket) and waits until each stream
 *                              got the mark; prints "got COUNT LAST MEDIAN", in milliseconds since the sending
 *
 * Source addresses are 127.1.0.1 and on, 5,000 connections each.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "pv_state.h"

#define FILE_MAX_BYTES  65536
#define PATIENCE        30000       /* ms */
#define OPENING         256         /* connections that are being opened at a time */
#define AN_ADDRESS      5000        /* connections from one source address */

#define H2_PREFACE      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"

typedef struct {
    int      fd;
    SSL     *tls;
    int      greeted;               /* TLS: the handshake is over */
    double   got;                   /* ms since it was sent; 0: not yet */
} stream_t;

static struct sockaddr_in  address;
static stream_t           *streams;
static int                 count, epoll, http2;
static SSL_CTX            *tls;
static char                request[FILE_MAX_BYTES];
static pv_keys_t          *keys;
static pv_str_t            site;


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
    return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}


static size_t
read_file(const char *path, char *bytes)
{
    FILE    *in;
    size_t   n;

    in = fopen(path, "r");
    if (in == NULL) {
        fail(path);
    }

    n = fread(bytes, 1, FILE_MAX_BYTES - 1, in);
    bytes[n] = '\0';
    fclose(in);

    return n;
}


/* The request of stream i, with the binding of a user that no other stream has. */
static size_t
request_of(int i, char *out)
{
    char       *slot;
    char        binding[PV_USER_COOKIE_MAX + 1];
    pv_user_t   user;
    pv_str_t    session = { (const unsigned char *) "", 0 };

    slot = strstr(request, "{binding}");
    if (slot == NULL || keys == NULL) {
        return (size_t) sprintf(out, "%s", request);
    }

    memset(&user, 0, sizeof(user));
    memcpy(user.subject, &i, sizeof(i));
    user.subject[PV_SUBJECT_LEN - 1] = 0x5a;
    user.expires = (uint32_t) time(NULL) + 3600;

    if (pv_user_encode(binding, &user, session, keys, site) < 0) {
        fprintf(stderr, "no binding\n");
        exit(1);
    }

    return (size_t) sprintf(out, "%.*s%s%s", (int) (slot - request), request, binding, slot + strlen("{binding}"));
}


/* A header field as a literal that is not indexed (RFC 7541, 6.2.2); nothing here is longer than 126 + 127 bytes. */
static size_t
h2_string(char *out, const char *text, size_t len)
{
    if (len < 127) {
        out[0] = (char) len;
        memcpy(out + 1, text, len);
        return len + 1;
    }

    out[0] = 127;
    out[1] = (char) (len - 127);
    memcpy(out + 2, text, len);

    return len + 2;
}


static size_t
h2_field(char *out, const char *name, size_t name_len, const char *value, size_t value_len)
{
    size_t  n, i;

    out[0] = 0;
    n = 1 + h2_string(out + 1, name, name_len);
    for (i = 2; i < n; i++) {
        if (out[i] >= 'A' && out[i] <= 'Z') {
            out[i] |= 0x20;
        }
    }

    return n + h2_string(out + n, value, value_len);
}


/* The same request in frames: preface, empty SETTINGS, one HEADERS. */
static size_t
h2_request(char *out, const char *text)
{
    char        *frame, *p;
    size_t       len;
    const char  *line, *end, *colon, *path, *space;

    memcpy(out, H2_PREFACE, sizeof(H2_PREFACE) - 1);
    frame = out + sizeof(H2_PREFACE) - 1;
    p = frame + 9;

    path = strchr(text, ' ') + 1;
    space = strchr(path, ' ');
    p += h2_field(p, ":method", 7, "GET", 3);
    p += h2_field(p, ":scheme", 7, "http", 4);
    p += h2_field(p, ":path", 5, path, space - path);

    for (line = strstr(text, "\r\n") + 2; (end = strstr(line, "\r\n")) != line; line = end + 2) {
        colon = strchr(line, ':');
        if (strncasecmp(line, "host:", 5) == 0) {
            p += h2_field(p, ":authority", 10, colon + 2, end - colon - 2);
        } else {
            p += h2_field(p, line, colon - line, colon + 2, end - colon - 2);
        }
    }

    len = p - frame - 9;
    memcpy(frame, (char[9]) { 0, (char) (len >> 8), (char) len, 1, 5, 0, 0, 0, 1 }, 9);

    return p - out;
}


static void
stream_write(stream_t *s, const char *bytes, size_t len)
{
    int  n;

    n = s->tls ? SSL_write(s->tls, bytes, (int) len) : (int) write(s->fd, bytes, len);
    if (n != (int) len) {
        fail("write");
    }
}


static void
stream_request(stream_t *s)
{
    char    text[FILE_MAX_BYTES + PV_USER_COOKIE_MAX], frames[FILE_MAX_BYTES];
    size_t  len;

    len = request_of((int) (s - streams), text);
    if (http2) {
        stream_write(s, frames, h2_request(frames, text));
    } else {
        stream_write(s, text, len);
    }
}


static void
stream_open(stream_t *s)
{
    int                 one = 1;
    struct sockaddr_in  from;
    struct epoll_event  event;

    memset(&from, 0, sizeof(from));
    from.sin_family = AF_INET;
    from.sin_addr.s_addr = htonl(0x7f010001 + (uint32_t) (s - streams) / AN_ADDRESS);

    s->fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(s->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
    if (s->fd == -1 || bind(s->fd, (struct sockaddr *) &from, sizeof(from)) == -1
        || connect(s->fd, (struct sockaddr *) &address, sizeof(address)) == -1)
    {
        fail("connect");
    }

    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    fcntl(s->fd, F_SETFL, O_NONBLOCK);

    event.events = EPOLLIN;
    event.data.ptr = s;
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, s->fd, &event) == -1) {
        fail("epoll_ctl");
    }

    if (tls) {
        s->tls = SSL_new(tls);
        SSL_set_fd(s->tls, s->fd);
        s->greeted = SSL_connect(s->tls) == 1;      /* the server may have been quick */
    }

    if (tls == NULL || s->greeted) {
        stream_request(s);
    }
}


/* What came; 0: nothing for now. */
static int
stream_read(stream_t *s, char *bytes, size_t size)
{
    int  n;

    if (s->tls == NULL) {
        n = (int) read(s->fd, bytes, size);
        if (n == 0 || (n == -1 && errno != EAGAIN)) {
            fail("a stream was closed");
        }
        return n > 0 ? n : 0;
    }

    if (!s->greeted) {
        n = SSL_do_handshake(s->tls);
        if (n != 1) {
            if (SSL_get_error(s->tls, n) != SSL_ERROR_WANT_READ) {
                fail("a handshake failed");
            }
            return 0;
        }
        s->greeted = 1;
        stream_request(s);
    }

    n = SSL_read(s->tls, bytes, (int) size);
    if (n <= 0 && SSL_get_error(s->tls, n) != SSL_ERROR_WANT_READ) {
        fail("a stream was closed");
    }

    return n > 0 ? n : 0;
}


/* Until `most` streams got the mark. A mark is short and begins an event: it is not cut between two readings. */
static void
hear(const char *mark, double since, int *got, int most)
{
    int                 i, n, events_count;
    char                bytes[65536];
    size_t              len;
    stream_t           *s;
    struct epoll_event  events[512];

    len = strlen(mark);

    while (*got < most) {
        if (now() - since > PATIENCE) {
            fprintf(stderr, "only %d of %d streams got \"%s\"\n", *got, most, mark);
            exit(1);
        }

        events_count = epoll_wait(epoll, events, 512, 100);
        for (i = 0; i < events_count; i++) {
            s = events[i].data.ptr;
            n = stream_read(s, bytes, sizeof(bytes));
            if (n && s->got == 0 && memmem(bytes, n, mark, len) != NULL) {
                s->got = now() - since;
                (*got)++;
            }
        }
    }
}


static void
forget(void)
{
    int  i;

    for (i = 0; i < count; i++) {
        streams[i].got = 0;
    }
}


static void
open_all(const char *mark)
{
    int     i, got;
    double  since;

    since = now();
    for (i = 0, got = 0; i < count; i++) {
        stream_open(&streams[i]);
        if (i - got >= OPENING) {
            hear(mark, now(), &got, i - OPENING / 2);
        }
    }
    hear(mark, now(), &got, count);
    forget();

    printf("open %d %.0f\n", count, now() - since);
}


static int
server_connect(char *where)
{
    int                 fd;
    char               *colon;
    struct sockaddr_in  in;
    struct sockaddr_un  un;

    colon = strchr(where, ':');
    if (colon == NULL) {
        memset(&un, 0, sizeof(un));
        un.sun_family = AF_UNIX;
        snprintf(un.sun_path, sizeof(un.sun_path), "%s", where);
        fd = socket(AF_UNIX, SOCK_STREAM, 0);
        if (fd == -1 || connect(fd, (struct sockaddr *) &un, sizeof(un)) == -1) {
            fail(where);
        }
        return fd;
    }

    *colon = '\0';
    memset(&in, 0, sizeof(in));
    in.sin_family = AF_INET;
    in.sin_port = htons(atoi(colon + 1));
    inet_pton(AF_INET, where, &in.sin_addr);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd == -1 || connect(fd, (struct sockaddr *) &in, sizeof(in)) == -1) {
        fail(where);
    }

    return fd;
}


static int
by_time(const void *a, const void *b)
{
    double  x = ((const stream_t *) a)->got, y = ((const stream_t *) b)->got;

    return (x > y) - (x < y);
}


static void
send_and_wait(char *where, const char *path, const char *mark)
{
    int        fd, got;
    char       bytes[FILE_MAX_BYTES];
    size_t     len;
    double     since;
    stream_t  *sorted;

    len = read_file(path, bytes);
    fd = server_connect(where);

    got = 0;
    since = now();
    if (write(fd, bytes, len) != (ssize_t) len) {
        fail(where);
    }
    hear(mark, since, &got, count);
    close(fd);

    sorted = malloc(count * sizeof(stream_t));
    if (sorted == NULL) {
        fail("malloc");
    }
    memcpy(sorted, streams, count * sizeof(stream_t));
    qsort(sorted, count, sizeof(stream_t), by_time);
    printf("got %d %.2f %.2f\n", count, sorted[count - 1].got, sorted[count / 2].got);
    free(sorted);
    forget();
}


static void
read_keys(const char *path)
{
    char           *text;
    pv_str_t        s;
    pv_problems_t   problems;

    text = malloc(FILE_MAX_BYTES);
    if (text == NULL) {
        fail("malloc");
    }
    s.data = (const unsigned char *) text;
    s.len = read_file(path, text);
    pv_problems_init(&problems);
    if (pv_keys_parse(&keys, s, path, &problems) != PV_OK) {
        fprintf(stderr, "%s: no keys\n", path);
        exit(1);
    }
}


int
main(int argc, char **argv)
{
    int   option;
    char  line[1024], where[256], path[512], mark[128];

    while ((option = getopt(argc, argv, "2t")) != -1) {
        if (option == '2') {
            http2 = 1;
        } else if (option == 't') {
            tls = SSL_CTX_new(TLS_client_method());
        } else {
            return 2;
        }
    }

    argv += optind - 1;
    argc -= optind - 1;
    if (argc != 6 && argc != 8) {
        fprintf(stderr, "usage: bench_streams [-2 | -t] ADDRESS PORT COUNT REQUEST_FILE OPEN_MARK [KEYS SITE]\n");
        return 2;
    }

    address.sin_family = AF_INET;
    address.sin_port = htons(atoi(argv[2]));
    inet_pton(AF_INET, argv[1], &address.sin_addr);
    count = atoi(argv[3]);
    (void) read_file(argv[4], request);
    if (argc == 8) {
        read_keys(argv[6]);
        site.data = (const unsigned char *) argv[7];
        site.len = strlen(argv[7]);
    }

    streams = calloc(count, sizeof(stream_t));
    epoll = epoll_create1(0);
    if (streams == NULL || epoll == -1) {
        fail("setting up");
    }
    setvbuf(stdout, NULL, _IOLBF, 0);

    while (fgets(line, sizeof(line), stdin) != NULL) {
        if (strncmp(line, "open", 4) == 0) {
            open_all(argv[5]);
        } else if (sscanf(line, "send %255s %511s %127s", where, path, mark) == 3) {
            send_and_wait(where, path, mark);
        }
    }

    return 0;
}
