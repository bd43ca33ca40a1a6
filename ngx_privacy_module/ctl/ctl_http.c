/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "ctl.h"
#include "ctl_http.h"


struct ctl_http_s {
    CURL  *curl;
    char   error[CURL_ERROR_SIZE];
};


static int ctl_http_address(ctl_http_t *http, const char *url);
static int ctl_http_options(ctl_http_t *http, struct curl_slist *headers, pv_buf_t *body);
static size_t ctl_http_receive(char *data, size_t size, size_t n, void *body);


int
ctl_http_open(ctl_http_t **http)
{
    *http = calloc(1, sizeof(ctl_http_t));

    if (*http == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != 0) {
        free(*http);
        *http = NULL;
        return ctl_fail(CTL_WRONG, "out of memory");
    }

    (*http)->curl = curl_easy_init();

    if ((*http)->curl == NULL) {
        ctl_http_close(*http);
        *http = NULL;
        return ctl_fail(CTL_WRONG, "out of memory");
    }

    return CTL_OK;
}


void
ctl_http_close(ctl_http_t *http)
{
    if (http != NULL) {
        curl_easy_cleanup(http->curl);
        curl_global_cleanup();
        free(http);
    }
}


int
ctl_http_request(ctl_http_t *http, const char *url, const char *accept, long *status, pv_buf_t *body)
{
    int                 rc;
    char                header[128];
    CURLcode            code;
    struct curl_slist  *headers;

    *status = 0;
    headers = NULL;
    curl_easy_reset(http->curl);

    rc = ctl_http_address(http, url);
    if (rc != CTL_OK) {
        return rc;
    }

    if (accept != NULL) {
        snprintf(header, sizeof(header), "Accept: %s", accept);
        headers = curl_slist_append(NULL, header);
    }

    code = ctl_http_options(http, headers, body) ? curl_easy_perform(http->curl) : CURLE_OUT_OF_MEMORY;

    if (code == CURLE_OK) {
        curl_easy_getinfo(http->curl, CURLINFO_RESPONSE_CODE, status);

    } else if (body->failed) {
        rc = ctl_fail(CTL_UNREACHABLE, "%s: the answer has more than %zu bytes", url, body->max);

    } else {
        rc = ctl_fail(CTL_UNREACHABLE, "%s: %s", url,
                      http->error[0] != '\0' ? http->error : curl_easy_strerror(code));
    }

    curl_slist_free_all(headers);

    return rc;
}


/* unix:PATH:/URI, or what curl calls an address. */
static int
ctl_http_address(ctl_http_t *http, const char *url)
{
    int          set;
    char        *path, *address;
    const char  *uri;

    if (strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0) {
        if (strpbrk(url, " \r\n\t") == NULL && curl_easy_setopt(http->curl, CURLOPT_URL, url) == CURLE_OK) {
            return CTL_OK;
        }

    } else if (strncmp(url, "unix:", 5) == 0 && (uri = strstr(url + 5, ":/")) != NULL && uri != url + 5
               && strpbrk(uri, " \r\n\t") == NULL)
    {
        path = strndup(url + 5, (size_t) (uri - url - 5));
        address = NULL;

        set = path != NULL && asprintf(&address, "http://localhost%s", uri + 1) > 0
              && curl_easy_setopt(http->curl, CURLOPT_UNIX_SOCKET_PATH, path) == CURLE_OK
              && curl_easy_setopt(http->curl, CURLOPT_URL, address) == CURLE_OK;

        free(address);
        free(path);

        if (set) {
            return CTL_OK;
        }
    }

    return ctl_fail(CTL_USAGE, "%s: the address has to be http://HOST[:PORT]/URI, https://... or unix:PATH:/URI", url);
}


static int
ctl_http_options(ctl_http_t *http, struct curl_slist *headers, pv_buf_t *body)
{
    CURL  *c;

    c = http->curl;
    http->error[0] = '\0';

    return curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK
           && curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == CURLE_OK
           && curl_easy_setopt(c, CURLOPT_NOPROXY, "localhost,127.0.0.1,::1") == CURLE_OK
           && curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long) CTL_HTTP_SECONDS) == CURLE_OK
           && curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L) == CURLE_OK
           && curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long) CTL_HTTP_SECONDS) == CURLE_OK
           && curl_easy_setopt(c, CURLOPT_TIMEOUT, (long) CTL_HTTP_TOTAL) == CURLE_OK
           && curl_easy_setopt(c, CURLOPT_USERAGENT, "privacyctl") == CURLE_OK
           && curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers) == CURLE_OK
           && curl_easy_setopt(c, CURLOPT_ERRORBUFFER, http->error) == CURLE_OK
           && curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, ctl_http_receive) == CURLE_OK
           && curl_easy_setopt(c, CURLOPT_WRITEDATA, body) == CURLE_OK;
}


/* Less than what came ends the transfer. */
static size_t
ctl_http_receive(char *data, size_t size, size_t n, void *body)
{
    pv_buf_add(body, data, size * n);

    return ((pv_buf_t *) body)->failed ? 0 : size * n;
}


int
ctl_http_get(pv_buf_t *body, const char *url)
{
    int          rc;
    long         status;
    ctl_http_t  *http;

    rc = ctl_http_open(&http);
    rc = rc == CTL_OK ? ctl_http_request(http, url, NULL, &status, body) : rc;

    if (rc == CTL_OK && status != 200) {
        rc = ctl_fail(CTL_WRONG, "the node answers %ld, not 200: is privacy_status there, and allowed from here?",
                      status);
    }

    ctl_http_close(http);

    return rc;
}
