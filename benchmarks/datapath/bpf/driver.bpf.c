/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Drives a program with the packets of many flows, within one BPF_PROG_TEST_RUN.
 *
 * The kernel hands the same packet to every repeat, as the one before left it.
 * This program restores the headers, makes them those of the next flow, and
 * tail-calls the program under test. What that costs itself is measured with
 * cc_bench_empty as the target.
 *
 * Each pass visits every flow once, in an order of its own: records that were
 * made one after the other lie so in memory, and a prefetcher would find them. */
#include "benchmarks/datapath/bpf/driver_lib.h"

/* One driver for each place where a flow's number goes. */
#define CC_BENCH_DRIVER(name, address, port)                     \
	SEC("tc") int name(struct __sk_buff *skb)                \
	{                                                        \
		if (cc_bench_next(skb, address, port))           \
			bpf_tail_call(skb, &cc_bench_target, 0); \
		return -1;                                       \
	}

CC_BENCH_DRIVER(cc_bench_v4_to_many, 32, 34)
CC_BENCH_DRIVER(cc_bench_v4_from_many, 28, 34)
CC_BENCH_DRIVER(cc_bench_v6_to_many, 52, 54)
CC_BENCH_DRIVER(cc_bench_v6_from_many, 36, 54)

SEC("tc") int cc_bench_empty(struct __sk_buff *skb __attribute__((unused))) { return 0; }

CC_LICENSE;
