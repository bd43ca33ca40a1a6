/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "ctl.h"
#include "ctl_serve.h"
#include "pv_page.h"

#define CTL_SERVE_CONNECTIONS  32
#define CTL_SERVE_HEAD         16384
#define CTL_SERVE_BODY         (64 * 1024 * 1024)
#define CTL_SERVE_LANGUAGE     64      /* bytes of a tag */
#define CTL_SERVE_SECONDS      10

/* What a page may load is a part of how it looks. */
#define CTL_SERVE_HEADERS                                                                                             \
    "X-Content-Type-Options: nosniff\r\n"                                                                             \
    "Content-Security-Policy: " PV_PAGE_CSP "\r\n"                                                                    \
    "Cache-Control: no-store\r\n"                                                                                     \
    "Connection: close\r\n"


typedef struct {
    int        fd;                  /* -1: free */
    time_t     until;
    char       head[CTL_SERVE_HEAD + 1];
    size_t     len;
    pv_buf_t   out;
    size_t     sent;
} ctl_connection_t;

typedef struct {
    int               listening;
    ctl_serve_pt      handler;
    void             *data;
    ctl_connection_t  connections[CTL_SERVE_CONNECTIONS];
} ctl_server_t;


static int ctl_serve_listen(unsigned *port);
static void ctl_serve_loop(ctl_server_t *s);
static void ctl_serve_accept(ctl_server_t *s, time_t now);
static void ctl_serve_read(ctl_server_t *s, ctl_connection_t *c);
static void ctl_serve_write(ctl_connection_t *c);
static void ctl_serve_answer(ctl_server_t *s, ctl_connection_t *c);
static void ctl_serve_head(ctl_connection_t *c, const ctl_response_t *response, int no_body);
static int ctl_serve_parse(ctl_request_t *request, char *head);
static int ctl_serve_is_ours(const char *host);
static void ctl_serve_close(ctl_connection_t *c);
static time_t ctl_serve_clock(void);
static void ctl_serve_interrupt(int signo);


static volatile sig_atomic_t  ctl_serve_ended;


int
ctl_serve(unsigned port, ctl_serve_pt handler, void (*ready)(void *data, unsigned port), void *data)
{
    size_t             i;
    ctl_server_t      *s;
    struct sigaction   action;

    s = calloc(1, sizeof(*s));
    if (s == NULL) {
        return ctl_fail(CTL_WRONG, "out of memory");
    }

    for (i = 0; i < CTL_SERVE_CONNECTIONS; i++) {
        s->connections[i].fd = -1;
    }

    s->handler = handler;
    s->data = data;
    s->listening = ctl_serve_listen(&port);

    if (s->listening == -1) {
        free(s);
        return ctl_fail(CTL_WRONG, "cannot listen on 127.0.0.1:%u: %s", port, strerror(errno));
    }

    /* Without SA_RESTART: a signal ends the waiting. */
    memset(&action, 0, sizeof(action));
    action.sa_handler = ctl_serve_interrupt;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);

    ready(data, port);
    ctl_serve_loop(s);

    for (i = 0; i < CTL_SERVE_CONNECTIONS; i++) {
        ctl_serve_close(&s->connections[i]);
    }

    close(s->listening);
    free(s);

    return CTL_OK;
}


static void
ctl_serve_interrupt(int signo)
{
    (void) signo;

    ctl_serve_ended = 1;
}


static int
ctl_serve_listen(unsigned *port)
{
    int                 fd, on;
    socklen_t           len;
    struct sockaddr_in  sin;

    fd = socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC|SOCK_NONBLOCK, 0);
    if (fd == -1) {
        return -1;
    }

    on = 1;
    len = sizeof(sin);
    memset(&sin, 0, sizeof(sin));
    sin.sin_family = AF_INET;
    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    sin.sin_port = htons((uint16_t) *port);

    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == -1
        || bind(fd, (struct sockaddr *) &sin, len) == -1 || listen(fd, CTL_SERVE_CONNECTIONS) == -1
        || getsockname(fd, (struct sockaddr *) &sin, &len) == -1)
    {
        on = errno;
        close(fd);
        errno = on;
        return -1;
    }

    *port = ntohs(sin.sin_port);

    return fd;
}


/* Until it is interrupted. Each round looks at the clock: who neither sends nor takes is let go. */
static void
ctl_serve_loop(ctl_server_t *s)
{
    size_t             i;
    time_t             now;
    struct pollfd      fds[CTL_SERVE_CONNECTIONS + 1];
    ctl_connection_t  *c;

    while (!ctl_serve_ended) {

        fds[CTL_SERVE_CONNECTIONS] = (struct pollfd) { s->listening, POLLIN, 0 };

        for (i = 0; i < CTL_SERVE_CONNECTIONS; i++) {
            c = &s->connections[i];
            fds[i] = (struct pollfd) { c->fd, c->out.len != 0 ? POLLOUT : POLLIN, 0 };
        }

        if (poll(fds, CTL_SERVE_CONNECTIONS + 1, 1000) == -1) {
            continue;
        }

        now = ctl_serve_clock();

        for (i = 0; i < CTL_SERVE_CONNECTIONS; i++) {
            c = &s->connections[i];

            if (c->fd == -1) {
                continue;
            }

            if (fds[i].revents != 0) {
                if (c->out.len != 0) {
                    ctl_serve_write(c);
                } else {
                    ctl_serve_read(s, c);
                }

            } else if (now >= c->until) {
                ctl_serve_close(c);
            }
        }

        if (fds[CTL_SERVE_CONNECTIONS].revents != 0) {
            ctl_serve_accept(s, now);
        }
    }
}


/* When all places are taken, the connection waits in the kernel's queue. */
static void
ctl_serve_accept(ctl_server_t *s, time_t now)
{
    size_t  i;

    for (i = 0; i < CTL_SERVE_CONNECTIONS; i++) {
        if (s->connections[i].fd != -1) {
            continue;
        }

        s->connections[i].fd = accept4(s->listening, NULL, NULL, SOCK_CLOEXEC|SOCK_NONBLOCK);
        if (s->connections[i].fd == -1) {
            return;
        }

        s->connections[i].until = now + CTL_SERVE_SECONDS;
        s->connections[i].len = 0;
        s->connections[i].sent = 0;
        pv_buf_init(&s->connections[i].out, CTL_SERVE_BODY + CTL_SERVE_HEAD);
    }
}


static void
ctl_serve_read(ctl_server_t *s, ctl_connection_t *c)
{
    ssize_t  n;

    n = recv(c->fd, c->head + c->len, CTL_SERVE_HEAD - c->len, 0);

    if (n == -1 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }

    if (n <= 0) {
        ctl_serve_close(c);
        return;
    }

    c->len += (size_t) n;
    c->head[c->len] = '\0';

    if (strstr(c->head, "\r\n\r\n") != NULL) {
        ctl_serve_answer(s, c);

    } else if (c->len == CTL_SERVE_HEAD) {
        ctl_serve_close(c);
    }
}


static void
ctl_serve_write(ctl_connection_t *c)
{
    ssize_t  n;

    n = send(c->fd, c->out.data + c->sent, c->out.len - c->sent, MSG_NOSIGNAL);

    if (n == -1 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }

    c->sent += n > 0 ? (size_t) n : 0;

    if (n > 0 && c->sent < c->out.len) {
        c->until = ctl_serve_clock() + CTL_SERVE_SECONDS;
        return;
    }

    ctl_serve_close(c);
}


static void
ctl_serve_answer(ctl_server_t *s, ctl_connection_t *c)
{
    ctl_request_t   request;
    ctl_response_t  response;

    memset(&response, 0, sizeof(response));
    response.status = 200;
    response.type = "text/plain; charset=utf-8";
    pv_buf_init(&response.body, CTL_SERVE_BODY);
    pv_buf_init(&response.language, CTL_SERVE_LANGUAGE);

    if (!ctl_serve_parse(&request, c->head)) {
        ctl_serve_close(c);
        pv_buf_free(&response.body);
        return;
    }

    s->handler(s->data, &request, &response);

    if (response.body.failed) {
        pv_buf_free(&response.body);
        pv_buf_init(&response.body, CTL_SERVE_BODY);
        response.status = 500;
        response.type = "text/plain; charset=utf-8";
    }

    ctl_serve_head(c, &response, strcmp(request.method, "HEAD") == 0);
    pv_buf_free(&response.body);
    pv_buf_free(&response.language);

    if (c->out.failed) {
        ctl_serve_close(c);
    }
}


static void
ctl_serve_head(ctl_connection_t *c, const ctl_response_t *r, int no_body)
{
    pv_buf_t  *out;

    out = &c->out;

    pv_buf_printf(out, "HTTP/1.1 %u %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n" CTL_SERVE_HEADERS, r->status,
                  r->status < 300 ? "OK" : r->status < 400 ? "Elsewhere" : "Not so", r->type, r->body.len);

    if (r->location != NULL) {
        pv_buf_printf(out, "Location: %s\r\n", r->location);
    }

    if (r->language.len != 0) {
        pv_buf_puts(out, "Content-Language: ");
        pv_buf_add(out, r->language.data, r->language.len);
        pv_buf_puts(out, "\r\n");
    }

    pv_buf_puts(out, "\r\n");

    if (!no_body) {
        pv_buf_add(out, r->body.data, r->body.len);
    }
}


/* In place. Only what the pages are chosen by; 0 for what is no request. */
static int
ctl_serve_parse(ctl_request_t *request, char *head)
{
    char  *line, *end, *space;

    memset(request, 0, sizeof(*request));
    request->query = "";
    request->accept = "";
    request->accept_language = "";

    end = strstr(head, "\r\n");
    *end = '\0';

    space = strchr(head, ' ');
    if (space == NULL || space[1] != '/') {
        return 0;
    }

    *space = '\0';
    request->method = head;
    request->path = space + 1;

    space = strchr(space + 1, ' ');
    if (space == NULL || strncmp(space, " HTTP/1.", 8) != 0) {
        return 0;
    }

    *space = '\0';

    if (strchr(request->path, '?') != NULL) {
        request->query = strchr(request->path, '?') + 1;
        *strchr(request->path, '?') = '\0';
    }

    for (line = end + 2; (end = strstr(line, "\r\n")) != NULL && end != line; line = end + 2) {
        *end = '\0';

        if (strncasecmp(line, "accept:", 7) == 0) {
            request->accept = line + 7 + strspn(line + 7, " \t");

        } else if (strncasecmp(line, "accept-language:", 16) == 0) {
            request->accept_language = line + 16 + strspn(line + 16, " \t");

        } else if (strncasecmp(line, "host:", 5) == 0 && !ctl_serve_is_ours(line + 5 + strspn(line + 5, " \t"))) {
            return 0;
        }
    }

    return 1;
}


/* Not by a name that somebody else's page made to lead here. */
static int
ctl_serve_is_ours(const char *host)
{
    size_t  len;

    len = strcspn(host, ":");

    return (len == 9 && (strncmp(host, "127.0.0.1", 9) == 0 || strncasecmp(host, "localhost", 9) == 0));
}


static void
ctl_serve_close(ctl_connection_t *c)
{
    if (c->fd != -1) {
        close(c->fd);
        c->fd = -1;
        pv_buf_free(&c->out);
    }
}


static time_t
ctl_serve_clock(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return ts.tv_sec;
}


int
ctl_query(char *out, size_t size, const char *query, const char *name)
{
    char         *end;
    size_t        i, len;
    unsigned      c;
    char          digits[3];

    for (len = strlen(name); *query != '\0'; query += strcspn(query, "&"), query += *query == '&') {
        if (strncmp(query, name, len) == 0 && query[len] == '=') {
            break;
        }
    }

    if (*query == '\0') {
        return 0;
    }

    for (query += len + 1, i = 0; *query != '\0' && *query != '&' && i + 1 < size; i++) {
        out[i] = *query == '+' ? ' ' : *query;

        if (*query == '%' && query[1] != '\0' && query[2] != '\0') {
            memcpy(digits, query + 1, 2);
            digits[2] = '\0';
            c = (unsigned) strtoul(digits, &end, 16);
            if (*end != '\0' || c == 0) {
                return 0;
            }
            out[i] = (char) c;
            query += 2;
        }

        query++;
    }

    out[i] = '\0';

    return *query == '\0' || *query == '&';
}
