/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PV_NETWORK_H
#define PV_NETWORK_H

/*
 * The part of an address that is looked at and kept: what one customer of a
 * provider cannot leave at will, and what does not tell one from the other.
 */

#include <stddef.h>

#define PV_NETWORK_MAX  6

/*
 * Of the 4 bytes of an IPv4 address, or the 16 of an IPv6 one: a /24, also
 * where IPv4 is mapped into IPv6, or a /48. Returns how many bytes that is; 0:
 * it is no such address.
 */
size_t pv_network(unsigned char network[PV_NETWORK_MAX], const unsigned char *address, size_t len);

#endif /* PV_NETWORK_H */
