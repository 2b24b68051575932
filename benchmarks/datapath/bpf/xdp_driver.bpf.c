/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The same as driver.bpf.c for XDP programs, which may leave more in front of the
 * packet than they found: it is taken away before the next one. */
#define CC_XDP
#include "benchmarks/datapath/bpf/driver_lib.h"

__u32 packet_bytes; /* of the packet that is handed to the kernel */

#define CC_BENCH_DRIVER(name, address, port)                     \
	SEC("xdp") int name(struct xdp_md *ctx)                  \
	{                                                        \
		const __u32 more = ctx_len(ctx) - packet_bytes;  \
                                                                 \
		if (more && bpf_xdp_adjust_head(ctx, (int)more)) \
			return -1;                               \
		if (cc_bench_next(ctx, address, port))           \
			bpf_tail_call(ctx, &cc_bench_target, 0); \
		return -1;                                       \
	}

CC_BENCH_DRIVER(cc_bench_v4_from_many, 28, 34)
CC_BENCH_DRIVER(cc_bench_v6_from_many, 36, 54)

SEC("xdp") int cc_bench_empty(struct xdp_md *ctx __attribute__((unused))) { return 2; }

CC_LICENSE;
