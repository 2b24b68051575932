/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Single steps of the programs, for tests that ask them everything. They act on
 * the current native world. */
#ifndef CILIUMCORE_TESTS_DATAPATH_VERDICT_PROBE_H_
#define CILIUMCORE_TESTS_DATAPATH_VERDICT_PROBE_H_

#include "ciliumcore/abi/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The table that judges at an interface, ~0 if nobody does. */
__u32 cc_test_table(__u32 ifindex, __u32 direction);
/* The number of the peer that an address is taken for. */
__u32 cc_test_peer(const struct cc_addr* addr);
__u32 cc_test_interval(__u32 table, __u8 protocol, __u16 port);
/* A cc_cell. */
__u64 cc_test_decide(__u32 table, __u32 peer, __u8 protocol, __u16 port);

#ifdef __cplusplus
}
#endif

#endif /* CILIUMCORE_TESTS_DATAPATH_VERDICT_PROBE_H_ */
