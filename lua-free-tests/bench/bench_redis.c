/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * What a recorded choice costs Redis when a bare client sends it: the same commands, one at a time on each of many
 * connections.
 *
 *     bench_redis SOCKET CONNECTIONS COUNT
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "pvr.h"


static int
connect_to(const char *path)
{
    int                 fd;
    struct sockaddr_un  address;

    memset(&address, 0, sizeof(address));
    address.sun_family = AF_UNIX;
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);

    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd == -1 || connect(fd, (struct sockaddr *) &address, sizeof(address)) == -1) {
        perror(path);
        exit(1);
    }

    return fd;
}


/* Four replies: OK, QUEUED, QUEUED and the array of EXEC. */
static void
read_replies(int fd)
{
    char          bytes[4096];
    void         *reply;
    int           left;
    ssize_t       n;
    redisReader  *reader;

    reader = redisReaderCreate();
    left = PVR_LEDGER_APPEND_REPLIES;

    while (left) {
        reply = NULL;
        if (redisReaderGetReply(reader, &reply) == REDIS_OK && reply != NULL) {
            left--;
            if (left == 0 && pvr_ledger_appended(reply) != 1) {
                fprintf(stderr, "not appended\n");
                exit(1);
            }
            freeReplyObject(reply);
            continue;
        }

        n = read(fd, bytes, sizeof(bytes));
        if (n <= 0) {
            perror("read");
            exit(1);
        }
        redisReaderFeed(reader, bytes, n);
    }

    redisReaderFree(reader);
}


int
main(int argc, char **argv)
{
    int            i, connections, *fds;
    long           count, sent;
    pv_buf_t       out;
    pv_str_t       site = { (const unsigned char *) "bench", 5 }, record;
    unsigned char  subject[PV_SUBJECT_LEN], bytes[PV_RECORD_MAX];

    if (argc != 4) {
        fprintf(stderr, "usage: %s SOCKET CONNECTIONS COUNT\n", argv[0]);
        return 2;
    }

    connections = atoi(argv[2]);
    count = atol(argv[3]);
    fds = calloc(connections, sizeof(int));
    if (fds == NULL) {
        return 1;
    }
    for (i = 0; i < connections; i++) {
        fds[i] = connect_to(argv[1]);
    }

    memset(bytes, 0x5a, sizeof(bytes));
    record.data = bytes;
    record.len = 58;
    memset(subject, 0, sizeof(subject));

    for (sent = 0; sent < count; sent += connections) {
        for (i = 0; i < connections; i++) {
            memcpy(subject, &sent, sizeof(sent));
            memcpy(subject + 8, &i, sizeof(i));
            subject[15] = getpid() & 0xff;
            subject[14] = getpid() >> 8 & 0xff;

            pv_buf_init(&out, 4096);
            if (pvr_ledger_append(&out, site, subject, 1, record, 4000000000) != PV_OK
                || write(fds[i], out.data, out.len) != (ssize_t) out.len)
            {
                perror("write");
                return 1;
            }
            pv_buf_free(&out);
        }

        for (i = 0; i < connections; i++) {
            read_replies(fds[i]);
        }
    }

    printf("%ld\n", sent);
    free(fds);

    return 0;
}
