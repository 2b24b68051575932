/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Asks a verdict table: peer -> class, (protocol, port) -> interval, cell. */
#ifndef CILIUMCORE_BPF_POLICY_H_
#define CILIUMCORE_BPF_POLICY_H_

#include "bpf/lib/packet.h"
#include "ciliumcore/abi/policy.h"

/* All written by user space, read here. */
CC_MAP(cc_tables, ARRAY, __u32, struct cc_table, CC_MAX_TABLES, BPF_F_MMAPABLE);
CC_MAP(cc_classes, HASH, struct cc_class_key, struct cc_class_value, 1048576, BPF_F_NO_PREALLOC);
CC_MAP(cc_cells, ARRAY, __u32, struct cc_cell, 1048576, BPF_F_MMAPABLE);
CC_MAP(cc_port_pages, ARRAY, __u32, struct cc_port_page, 4096, BPF_F_MMAPABLE);

CC_INLINE __u32 cc_class_of(__u32 table, __u32 peer)
{
	const struct cc_class_key key = { .table = table, .peer = peer };
	const struct cc_class_value *value = cc_lookup(&cc_classes, &key);
	union {
		__u64 word;
		struct cc_class_value value;
	} copy;

	if (!value)
		return 0;
	copy.word = cc_load_once((const __u64 *)value);
	return copy.value.check == cc_class_check(table, peer) ? copy.value.cls : 0;
}

/* How many of bound[from..from+3] are not above `at`. Without branches: on data
 * the verifier would follow every combination. */
CC_INLINE __u32 cc_count_bounds(const struct cc_table *table, __u32 at, int from)
{
	__u32 count = 0;

	for (int i = from; i < from + 4; i++) {
		__u64 below = (__u64)at - table->axis[i];

		cc_opaque(below);
		count += 1 - (__u32)(below >> 63);
	}
	return count;
}

CC_INLINE __u32 cc_port_entry(__u32 page, __u32 at)
{
	const struct cc_port_page *ports = cc_lookup(&cc_port_pages, &page);

	at &= CC_PORT_PAGE - 1;
	cc_opaque(at);
	if (!ports || at >= CC_PORT_PAGE)
		return 0;
	return ports->entry[at];
}

CC_INLINE __u32 cc_paged_interval(const struct cc_table *table, __u8 protocol, __u16 port)
{
	__u32 root, entry;

	switch (protocol) {
	case IPPROTO_TCP:
		root = table->axis[CC_ROOT_TCP];
		break;
	case IPPROTO_UDP:
		root = table->axis[CC_ROOT_UDP];
		break;
	case IPPROTO_SCTP:
		root = table->axis[CC_ROOT_SCTP];
		break;
	case IPPROTO_ICMP:
		root = table->axis[CC_ROOT_ICMP];
		break;
	case IPPROTO_ICMPV6:
		root = table->axis[CC_ROOT_ICMPV6];
		break;
	default:
		return table->axis[CC_ROOT_OTHER];
	}
	entry = cc_port_entry(root, port >> 8);
	if (entry & CC_PORT_DEEP)
		entry = cc_port_entry(entry & ~CC_PORT_DEEP, port);
	return entry;
}

CC_INLINE __u32 cc_interval_of(const struct cc_table *table, __u8 protocol, __u16 port)
{
	const __u32 at = (__u32)protocol << 16 | port;
	__u32 interval;

	if (table->bound_count == CC_BOUNDS_PAGED)
		return cc_paged_interval(table, protocol, port);
	interval = cc_count_bounds(table, at, 0);
	if (table->bound_count > 4)
		interval += cc_count_bounds(table, at, 4);
	if (table->bound_count > 8)
		interval += cc_count_bounds(table, at, 8);
	return interval;
}

/* The word of the cell that decides. Two sides ask, one function answers. */
CC_FUNCTION __u64 cc_decide_word(__u32 table_index, __u32 peer, __u8 protocol, __u16 port)
{
	const struct cc_table *table = cc_lookup(&cc_tables, &table_index);

	if (!table || !table->interval_count)
		return 0;
	const __u32 at = table->cells + cc_class_of(table_index, peer) * table->interval_count +
			 cc_interval_of(table, protocol, port);
	const struct cc_cell *cell = cc_lookup(&cc_cells, &at);

	return cell ? cc_load_once((const __u64 *)cell) : 0;
}

/* What `table` says of `peer` on (protocol, port). Denies, by no rule set, if
 * the table is not there. */
CC_INLINE struct cc_cell cc_decide(__u32 table, __u32 peer, __u8 protocol, __u16 port)
{
	const union {
		__u64 word;
		struct cc_cell cell;
	} copy = { .word = cc_decide_word(table, peer, protocol, port) };

	return copy.cell;
}

#endif /* CILIUMCORE_BPF_POLICY_H_ */
