/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "pv_network.h"


/* What is left of an address is what the network's own one begins with, and no byte behind it is written. */

static void
check(const char *text, const char *network, size_t want)
{
    int            family;
    size_t         len;
    unsigned char  address[16], expected[16], got[PV_NETWORK_MAX + 1];

    family = strchr(text, ':') ? AF_INET6 : AF_INET;
    len = (family == AF_INET6) ? 16 : 4;

    assert_int_equal(inet_pton(family, text, address), 1);
    assert_int_equal(inet_pton(strchr(network, ':') ? AF_INET6 : AF_INET, network, expected), 1);

    memset(got, 0xaa, sizeof(got));

    assert_int_equal(pv_network(got, address, len), want);
    assert_memory_equal(got, expected, want);
    assert_int_equal(got[want], 0xaa);
}


static void
test_networks(void **state)
{
    (void) state;

    check("192.0.2.171", "192.0.2.0", 3);
    check("255.255.255.255", "255.255.255.0", 3);
    check("0.0.0.0", "0.0.0.0", 3);

    check("2001:db8:1234:5678::1", "2001:db8:1234::", 6);
    check("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff::", 6);
    check("::1", "::", 6);
}


/* A listening socket of IPv6 may be given IPv4 as well: then it is the same network as on one of IPv4. */

static void
test_mapped(void **state)
{
    (void) state;

    check("::ffff:192.0.2.171", "192.0.2.0", 3);
    check("::192.0.2.171", "::", 6);
    check("::fffe:192.0.2.171", "::", 6);
    check("0:0:0:1:0:ffff:192.0.2.171", "::", 6);
    check("1::ffff:192.0.2.171", "1::", 6);
}


static void
test_no_address(void **state)
{
    unsigned char  bytes[16] = { 0 }, got[PV_NETWORK_MAX];

    (void) state;

    assert_int_equal(pv_network(got, bytes, 0), 0);
    assert_int_equal(pv_network(got, bytes, 3), 0);
    assert_int_equal(pv_network(got, bytes, 15), 0);
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_networks),
        cmocka_unit_test(test_mapped),
        cmocka_unit_test(test_no_address)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
