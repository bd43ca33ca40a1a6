/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <string.h>

#include "pv_network.h"

#define PV_NETWORK_IP4  3       /* bytes of a network */
#define PV_NETWORK_IP6  6


size_t
pv_network(unsigned char network[PV_NETWORK_MAX], const unsigned char *address, size_t len)
{
    size_t  n;

    static const unsigned char  mapped[12] = { [10] = 0xff, [11] = 0xff };

    if (len == 16 && memcmp(address, mapped, sizeof(mapped)) == 0) {
        address += sizeof(mapped);
        len -= sizeof(mapped);
    }

    n = (len == 4) ? PV_NETWORK_IP4 : (len == 16) ? PV_NETWORK_IP6 : 0;
    memcpy(network, address, n);

    return n;
}
