/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What drivers share: how they go through flows. */
#ifndef CILIUMCORE_BENCHMARKS_DRIVER_H_
#define CILIUMCORE_BENCHMARKS_DRIVER_H_

#include "bpf/lib/ctx.h"

#define CC_BENCH_HEADER_BYTES 80

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} cc_bench_target SEC(".maps");

/* Written by user space between runs. */
__u64 header[CC_BENCH_HEADER_BYTES / 8]; /* of flow 0 */
__u32 flow_mask;                         /* flows - 1, a power of two */
__u32 flow_shift;                        /* half of the bits in flow_mask, but not 0 */
__u32 address_bits; /* so many addresses alternate; the rest of a flow is its port */
__u32 next_packet;

/* A number in 0..flow_mask for each packet of a pass, none twice. */
CC_INLINE __u32 cc_bench_flow(__u32 packet)
{
	const __u32 pass = packet & ~flow_mask;
	__u32 k = packet & flow_mask;

	k ^= k >> (flow_shift & 31);
	k = k * (pass * 0x9e3779b1u | 1) & flow_mask;
	k ^= k >> (flow_shift & 31);
	k = k * 0x2c1b3c6du & flow_mask;
	return k ^ k >> (flow_shift & 31);
}

/* Writes the next packet's headers: the flow's number goes into the low 16 bits
 * of the address whose last two bytes are at `address`, and into the source
 * port at `port`. */
CC_INLINE bool cc_bench_next(cc_ctx *ctx, __u32 address, __u32 port)
{
	__u64 *to = ctx_at(ctx, 0, CC_BENCH_HEADER_BYTES);
	const __u32 k = cc_bench_flow(next_packet++);

	if (!to)
		return false;
	for (int i = 0; i < CC_BENCH_HEADER_BYTES / 8; i++)
		to[i] = header[i];
	*(__be16 *)((char *)to + address) = bpf_htons(k & ((1u << (address_bits & 15)) - 1));
	*(__be16 *)((char *)to + port) ^= bpf_htons((__u16)(k >> (address_bits & 15)));
	return true;
}

#endif /* CILIUMCORE_BENCHMARKS_DRIVER_H_ */
