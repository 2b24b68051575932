/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Where a packet that may pass goes: into an endpoint of this node, or out. */
#ifndef CILIUMCORE_BPF_DELIVER_H_
#define CILIUMCORE_BPF_DELIVER_H_

#include "bpf/lib/config.h"
#include "bpf/lib/ctx.h"
#include "bpf/lib/endpoint.h"
#include "ciliumcore/abi/identity.h"
#include "ciliumcore/abi/reason.h"

#define CC_AF_INET 2
#define CC_AF_INET6 10

/* Written by user space, read here. */
CC_MAP(cc_hops, ARRAY, __u32, struct cc_hop, 32768, BPF_F_MMAPABLE);

/* A way out: what the program returns, and why it is a drop if it is one. */
struct cc_exit {
	int action;
	__u8 reason;
};

CC_INLINE struct cc_exit cc_exit_drop(__u8 reason)
{
	return (struct cc_exit){ .action = CC_DROP, .reason = reason };
}

/* The router's part: one hop less. False if there is none left. */
CC_INLINE bool cc_take_hop(cc_ctx *ctx, const struct cc_packet *p)
{
	return p->ttl > 1 && cc_decrement_ttl(ctx, p->is_v6);
}

/* Into the endpoint's namespace, past its host interface and both stacks. */
CC_INLINE struct cc_exit cc_deliver(cc_ctx *ctx, const struct cc_packet *p,
				    const struct cc_endpoint *to)
{
	struct ethhdr *eth;

	if (!cc_take_hop(ctx, p))
		return cc_exit_drop(CC_REASON_TTL_EXCEEDED);
	eth = ctx_at(ctx, 0, sizeof(*eth));
	if (!eth)
		return cc_exit_drop(CC_REASON_INVALID_PACKET);
	__builtin_memcpy(eth->h_dest, to->mac, ETH_ALEN);
	__builtin_memcpy(eth->h_source, to->host_mac, ETH_ALEN);
	if (to->flags & CC_ENDPOINT_NO_PEER_REDIRECT)
		return (struct cc_exit){ .action = bpf_redirect(to->ifindex, 0) };
	return (struct cc_exit){ .action = bpf_redirect_peer(to->ifindex, 0) };
}

/* Out through a next hop that user space named. */
CC_INLINE struct cc_exit cc_forward_hop(cc_ctx *ctx, const struct cc_packet *p, __u32 index)
{
	const struct cc_hop *hop = cc_lookup(&cc_hops, &index);
	struct bpf_redir_neigh next = { 0 };

	if (!hop || !hop->ifindex)
		return cc_exit_drop(CC_REASON_HOST_UNREACHABLE);
	if (!cc_take_hop(ctx, p))
		return cc_exit_drop(CC_REASON_TTL_EXCEEDED);
	if (!hop->family)
		return (struct cc_exit){ .action = bpf_redirect_neigh(hop->ifindex, NULL, 0, 0) };
	next.nh_family = hop->family;
	if (hop->family == CC_AF_INET)
		next.ipv4_nh = hop->gateway.w[3];
	else
		__builtin_memcpy(next.ipv6_nh, &hop->gateway, sizeof(next.ipv6_nh));
	return (struct cc_exit){ .action =
					 bpf_redirect_neigh(hop->ifindex, &next, sizeof(next), 0) };
}

/* Out by the node's routes, without its stack. */
CC_INLINE struct cc_exit cc_forward_fib(cc_ctx *ctx, const struct cc_packet *p)
{
	struct bpf_fib_lookup fib = { .ifindex = ctx_ifindex(ctx) };
	struct bpf_redir_neigh next = { 0 };
	long found;

	if (p->is_v6) {
		fib.family = CC_AF_INET6;
		__builtin_memcpy(fib.ipv6_src, &p->src, sizeof(fib.ipv6_src));
		__builtin_memcpy(fib.ipv6_dst, &p->dst, sizeof(fib.ipv6_dst));
	} else {
		fib.family = CC_AF_INET;
		fib.ipv4_src = p->src.w[3];
		fib.ipv4_dst = p->dst.w[3];
	}
	fib.tot_len = 0;
	found = bpf_fib_lookup(ctx, &fib, sizeof(fib), 0);
	if (found == BPF_FIB_LKUP_RET_NOT_FWDED || found == BPF_FIB_LKUP_RET_FWD_DISABLED)
		return (struct cc_exit){ .action = CC_PASS }; /* to the node itself */
	if (found != BPF_FIB_LKUP_RET_SUCCESS && found != BPF_FIB_LKUP_RET_NO_NEIGH)
		return cc_exit_drop(CC_REASON_FIB_LOOKUP_FAILED);
	if (!cc_take_hop(ctx, p))
		return cc_exit_drop(CC_REASON_TTL_EXCEEDED);
	next.nh_family = fib.family;
	__builtin_memcpy(next.ipv6_nh, fib.ipv6_dst, sizeof(next.ipv6_nh));
	return (struct cc_exit){ .action =
					 bpf_redirect_neigh(fib.ifindex, &next, sizeof(next), 0) };
}

CC_INLINE struct cc_exit cc_forward(cc_ctx *ctx, const struct cc_packet *p, __u16 where)
{
	const __u32 hop = where & (CC_REMOTE - 1);

	if (hop)
		return cc_forward_hop(ctx, p, hop);
	if (cc_cfg()->forward == CC_FORWARD_FIB)
		return cc_forward_fib(ctx, p);
	return (struct cc_exit){ .action = CC_PASS };
}

#endif /* CILIUMCORE_BPF_DELIVER_H_ */
