/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "ctl.h"
#include "ctl_http.h"


#define CTL_HTTP_CHUNK  16384


static int ctl_http_connect(const ctl_url_t *url, int64_t deadline);
static int ctl_http_connect_unix(const char *path, int64_t deadline);
static int ctl_http_connect_to(const struct sockaddr *addr, socklen_t len, int64_t deadline);
static int ctl_http_send(int fd, const ctl_url_t *url, int64_t deadline);
static int ctl_http_receive(int fd, pv_buf_t *response, int64_t deadline);
static int ctl_http_wait(int fd, short events, int64_t deadline);
static int ctl_http_body(pv_buf_t *body, const pv_buf_t *response);
static int64_t ctl_http_clock(void);


int
ctl_http_get(pv_buf_t *body, const ctl_url_t *url)
{
    int       fd, rc;
    int64_t   deadline;
    pv_buf_t  response;

    deadline = ctl_http_clock() + CTL_HTTP_SECONDS * 1000;

    fd = ctl_http_connect(url, deadline);
    if (fd == -1) {
        return ctl_fail(CTL_UNREACHABLE, "cannot reach %s: %s", url->path[0] != '\0' ? url->path : url->host,
                        strerror(errno));
    }

    pv_buf_init(&response, CTL_HTTP_MAX);

    if (ctl_http_send(fd, url, deadline) == -1 || ctl_http_receive(fd, &response, deadline) == -1) {
        rc = ctl_fail(CTL_UNREACHABLE, "%s does not answer: %s", url->path[0] != '\0' ? url->path : url->host,
                      strerror(errno));

    } else {
        rc = ctl_http_body(body, &response);
    }

    close(fd);
    pv_buf_free(&response);

    return rc;
}


static int
ctl_http_connect(const ctl_url_t *url, int64_t deadline)
{
    int               fd;
    char              port[8];
    struct addrinfo   hints, *list, *a;

    if (url->path[0] != '\0') {
        return ctl_http_connect_unix(url->path, deadline);
    }

    memset(&hints, 0, sizeof(hints));
    hints.ai_socktype = SOCK_STREAM;

    (void) snprintf(port, sizeof(port), "%d", url->port);

    if (getaddrinfo(url->host, port, &hints, &list) != 0) {
        errno = EHOSTUNREACH;
        return -1;
    }

    fd = -1;

    for (a = list; a != NULL && fd == -1; a = a->ai_next) {
        fd = ctl_http_connect_to(a->ai_addr, a->ai_addrlen, deadline);
    }

    freeaddrinfo(list);

    return fd;
}


static int
ctl_http_connect_unix(const char *path, int64_t deadline)
{
    struct sockaddr_un  sun;

    memset(&sun, 0, sizeof(sun));
    sun.sun_family = AF_UNIX;
    memcpy(sun.sun_path, path, strlen(path));       /* CTL_URL_PATH */

    return ctl_http_connect_to((struct sockaddr *) &sun, sizeof(sun), deadline);
}


static int
ctl_http_connect_to(const struct sockaddr *addr, socklen_t len, int64_t deadline)
{
    int        fd, error;
    socklen_t  error_len;

    fd = socket(addr->sa_family, SOCK_STREAM|SOCK_CLOEXEC|SOCK_NONBLOCK, 0);
    if (fd == -1) {
        return -1;
    }

    if (connect(fd, addr, len) == 0) {
        return fd;
    }

    error = errno;
    error_len = sizeof(error);

    if (error == EINPROGRESS) {
        if (ctl_http_wait(fd, POLLOUT, deadline) == -1) {
            error = errno;

        } else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_len) == -1) {
            error = errno;
        }
    }

    if (error == 0) {
        return fd;
    }

    close(fd);
    errno = error;

    return -1;
}


static int
ctl_http_send(int fd, const ctl_url_t *url, int64_t deadline)
{
    char         request[2048];
    size_t       len, sent;
    ssize_t      n;
    const char  *open, *close_;

    open = (strchr(url->host, ':') != NULL) ? "[" : "";
    close_ = (open[0] != '\0') ? "]" : "";

    len = (size_t) snprintf(request, sizeof(request),
                            "GET %s HTTP/1.0\r\nHost: %s%s%s\r\nAccept: application/json\r\n\r\n",
                            url->uri, open, url->host, close_);

    for (sent = 0; sent < len; /* void */) {

        if (ctl_http_wait(fd, POLLOUT, deadline) == -1) {
            return -1;
        }

        n = send(fd, request + sent, len - sent, MSG_NOSIGNAL);

        if (n == -1 && errno != EAGAIN && errno != EINTR) {
            return -1;
        }

        sent += (n > 0) ? (size_t) n : 0;
    }

    return 0;
}


static int
ctl_http_receive(int fd, pv_buf_t *response, int64_t deadline)
{
    char     chunk[CTL_HTTP_CHUNK];
    ssize_t  n;

    for ( ;; ) {

        if (ctl_http_wait(fd, POLLIN, deadline) == -1) {
            return -1;
        }

        n = recv(fd, chunk, sizeof(chunk), 0);

        if (n == 0) {
            return 0;
        }

        if (n == -1 && errno != EAGAIN && errno != EINTR) {
            return -1;
        }

        if (n > 0) {
            pv_buf_add(response, chunk, (size_t) n);
        }

        if (response->failed) {
            errno = EFBIG;
            return -1;
        }
    }
}


static int
ctl_http_wait(int fd, short events, int64_t deadline)
{
    int            n;
    int64_t        left;
    struct pollfd  p;

    for ( ;; ) {
        left = deadline - ctl_http_clock();

        if (left <= 0) {
            errno = ETIMEDOUT;
            return -1;
        }

        p.fd = fd;
        p.events = events;

        n = poll(&p, 1, (int) left);

        if (n > 0) {
            return 0;
        }

        if (n == -1 && errno != EINTR) {
            return -1;
        }
    }
}


static int
ctl_http_body(pv_buf_t *body, const pv_buf_t *response)
{
    size_t                len;
    const unsigned char  *end;

    end = (response->len != 0) ? memmem(response->data, response->len, "\r\n\r\n", 4) : NULL;

    if (end == NULL || response->len < 13 || memcmp(response->data, "HTTP/1.", 7) != 0) {
        return ctl_fail(CTL_UNREACHABLE, "the answer is not HTTP");
    }

    if (memcmp(response->data + 9, "200 ", 4) != 0) {
        return ctl_fail(CTL_WRONG, "the node answers %.3s, not 200: is privacy_status there, and allowed from here?",
                        (const char *) response->data + 9);
    }

    len = response->len - (size_t) (end + 4 - response->data);
    pv_buf_add(body, end + 4, len);

    return body->failed ? ctl_fail(CTL_WRONG, "out of memory") : CTL_OK;
}


static int64_t
ctl_http_clock(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}
