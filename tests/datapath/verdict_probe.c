/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#include "tests/datapath/verdict_probe.h"

#include "bpf/lib/judge.h"

__u32 cc_test_table(__u32 ifindex, __u32 direction)
{
	const struct cc_endpoint *endpoint = cc_endpoint_at(cc_slot_of(ifindex));

	return endpoint ? cc_subject_of(endpoint, cc_epoch()).table[direction] : ~0u;
}

__u32 cc_test_peer(const struct cc_addr *addr)
{
	return cc_place_of(addr, cc_epoch()).peer;
}

__u32 cc_test_interval(__u32 table, __u8 protocol, __u16 port)
{
	const struct cc_table *entry = cc_lookup(&cc_tables, &table);

	return entry ? cc_interval_of(entry, protocol, port) : 0;
}

__u64 cc_test_decide(__u32 table, __u32 peer, __u8 protocol, __u16 port)
{
	return cc_decide_word(table, peer, protocol, port);
}
