/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Puts a packet into one for its backend (RFC 2003, RFC 2473) and sends that. */
#ifndef CILIUMCORE_BPF_LB_FORWARD_H_
#define CILIUMCORE_BPF_LB_FORWARD_H_

#include "bpf/lib/lb_parse.h"
#include "bpf/lib/lb_too_big.h"

#define CC_AF_INET 2
#define CC_AF_INET6 10
#define CC_LB_TTL 64

/* The outer header's addresses, and the way out. */
struct cc_lb_hop {
	struct cc_addr src, dst;
	__u8 mac_to[6], mac_from[6];
	__u32 mtu;
	int action;
	__u32 ifindex; /* with CC_REDIRECT */
};

/* By the node's routes to the backend. A reason, or 0. */
CC_INLINE __u32 cc_lb_hop_by_route(cc_ctx *ctx, struct cc_lb_hop *hop, bool is_v6)
{
	__u32 here = ctx_ifindex(ctx);

	cc_opaque(here); /* or it is read twice, by a pointer that the verifier refuses */
	struct bpf_fib_lookup fib = { .ifindex = here };
	long found;

	if (is_v6) {
		fib.family = CC_AF_INET6;
		__builtin_memcpy(fib.ipv6_src, &hop->src, sizeof(fib.ipv6_src));
		__builtin_memcpy(fib.ipv6_dst, &hop->dst, sizeof(fib.ipv6_dst));
	} else {
		fib.family = CC_AF_INET;
		fib.ipv4_src = hop->src.w[3];
		fib.ipv4_dst = hop->dst.w[3];
	}
	found = bpf_fib_lookup(ctx, &fib, sizeof(fib), 0);
	if (found == BPF_FIB_LKUP_RET_NO_NEIGH) {
		/* the stack knows how to ask for it, and sends this one itself */
		hop->action = CC_PASS;
		return 0;
	}
	if (found != BPF_FIB_LKUP_RET_SUCCESS)
		return CC_REASON_FIB_LOOKUP_FAILED;
	__builtin_memcpy(hop->mac_to, fib.dmac, sizeof(hop->mac_to));
	__builtin_memcpy(hop->mac_from, fib.smac, sizeof(hop->mac_from));
	hop->ifindex = fib.ifindex;
	hop->action = fib.ifindex == here ? CC_SEND : CC_REDIRECT;
	return 0;
}

/* Where to, and from whom: an address of ours with bits of the flow's hash, so that
 * receivers, who see only the outer header, spread flows over their queues. */
CC_INLINE __u32 cc_lb_hop_to(cc_ctx *ctx, struct cc_lb_hop *hop, const struct cc_lb_state *state,
			     const struct cc_lb_packet *l, __u64 hash)
{
	const struct ethhdr *eth = ctx_at(ctx, 0, sizeof(*eth));

	if (!eth)
		return CC_REASON_INVALID_PACKET;
	if (l->p.is_v6) {
		for (int i = 0; i < 4; i++)
			hop->src.w[i] = state->source6.w[i] |
					((__u32)(hash >> 8 * (i & 1)) & state->source6_mask.w[i]);
	} else {
		hop->src.w[3] = state->source4 | ((__u32)hash & state->source4_mask);
	}
	if (state->way == CC_LB_BY_ROUTE)
		return cc_lb_hop_by_route(ctx, hop, l->p.is_v6);
	__builtin_memcpy(hop->mac_to, state->gateway, sizeof(hop->mac_to));
	__builtin_memcpy(hop->mac_from, eth->h_dest, sizeof(hop->mac_from));
	hop->action = CC_SEND;
	return 0;
}

CC_INLINE void cc_lb_write_ethernet(struct ethhdr *eth, const struct cc_lb_hop *hop, __u16 type)
{
	if (hop->action == CC_PASS) {
		struct ethhdr old;

		/* to the stack, as it came */
		__builtin_memcpy(&old,
				 (const char *)eth + (type == ETH_P_IP ? sizeof(struct iphdr) :
									 sizeof(struct ipv6hdr)),
				 sizeof(old));
		__builtin_memcpy(eth, &old, sizeof(old));
	} else {
		__builtin_memcpy(eth->h_dest, hop->mac_to, ETH_ALEN);
		__builtin_memcpy(eth->h_source, hop->mac_from, ETH_ALEN);
	}
	eth->h_proto = bpf_htons(type);
}

CC_INLINE bool cc_lb_wrap_ipv4(cc_ctx *ctx, const struct cc_lb_packet *l,
			       const struct cc_lb_hop *hop)
{
	struct iphdr *ip;
	__u8 *at;
	__u32 sum;

	if (bpf_xdp_adjust_head(ctx, -(int)sizeof(*ip)))
		return false;
	at = ctx_at(ctx, 0, ETH_HLEN + sizeof(*ip) + ETH_HLEN);
	if (!at)
		return false;
	cc_lb_write_ethernet((struct ethhdr *)at, hop, ETH_P_IP);
	ip = (struct iphdr *)(at + ETH_HLEN);
	__be16 *words = (__be16 *)ip;

	words[0] = bpf_htons(0x4500 | l->traffic_class);
	words[1] = bpf_htons(l->bytes + sizeof(*ip));
	words[2] = 0;
	words[3] = bpf_htons(0x4000); /* it fits, or would not have come this far */
	words[4] = bpf_htons(CC_LB_TTL << 8 | IPPROTO_IPIP);
	words[5] = 0;
	ip->saddr = hop->src.w[3];
	ip->daddr = hop->dst.w[3];
	sum = words[0] + words[1] + words[3] + words[4];
	sum += (ip->saddr & 0xffff) + (ip->saddr >> 16) + (ip->daddr & 0xffff) + (ip->daddr >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	words[5] = (__u16)~sum;
	return true;
}

CC_INLINE bool cc_lb_wrap_ipv6(cc_ctx *ctx, const struct cc_lb_packet *l,
			       const struct cc_lb_hop *hop, __u64 hash)
{
	struct ipv6hdr *ip;
	__u8 *at;

	if (bpf_xdp_adjust_head(ctx, -(int)sizeof(*ip)))
		return false;
	at = ctx_at(ctx, 0, ETH_HLEN + sizeof(*ip) + ETH_HLEN);
	if (!at)
		return false;
	cc_lb_write_ethernet((struct ethhdr *)at, hop, ETH_P_IPV6);
	ip = (struct ipv6hdr *)(at + ETH_HLEN);
	*(__be32 *)ip =
		bpf_htonl(0x60000000 | (__u32)l->traffic_class << 20 | ((__u32)hash & 0xfffff));
	ip->payload_len = bpf_htons(l->bytes);
	ip->nexthdr = IPPROTO_IPV6;
	ip->hop_limit = CC_LB_TTL;
	__builtin_memcpy(&ip->saddr, &hop->src, sizeof(ip->saddr));
	__builtin_memcpy(&ip->daddr, &hop->dst, sizeof(ip->daddr));
	return true;
}

/* Why a packet goes no further, whatever its backend: a reason, or 0. */
CC_INLINE __u32 cc_lb_refusal(const cc_ctx *ctx, const struct cc_lb_packet *l)
{
	const __u32 bytes = ETH_HLEN + (__u32)l->bytes;

	if (bytes > ctx_len(ctx) || bytes < l->p.l4)
		return CC_REASON_INVALID_PACKET;
	return l->p.ttl <= 1 ? CC_REASON_TTL_EXCEEDED : 0;
}

/* Sends the packet of a service to its backend and counts it, or drops it with a
 * reason, or tells its sender that it is too big. */
CC_INLINE int cc_lb_forward(cc_ctx *ctx, const struct cc_lb_packet *l,
			    const struct cc_lb_state *state, __u32 service,
			    const struct cc_lb_backend *backend, __u64 hash)
{
	const bool is_v6 = l->p.is_v6;
	const __u32 outer = is_v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
	struct cc_lb_hop hop = { .dst = backend->addr };
	__u32 reason;

	if (l->bytes + outer > state->mtu) {
		cc_lb_drop(CC_REASON_PACKET_TOO_BIG, l->bytes);
		/* no errors about errors, nor about later fragments (RFC 1122 3.2.2) */
		if (l->p.is_error || l->part == CC_LB_LATER)
			return CC_DROP;
		return cc_lb_tell_too_big(ctx, is_v6, state->mtu - outer);
	}
	reason = cc_lb_hop_to(ctx, &hop, state, l, hash);
	if (reason)
		return cc_lb_drop(reason, l->bytes);
	/* the router's part, on the packet that goes inside (RFC 2003 3.1) */
	if (!cc_decrement_ttl(ctx, l->p.is_v6) ||
	    !(is_v6 ? cc_lb_wrap_ipv6(ctx, l, &hop, hash) : cc_lb_wrap_ipv4(ctx, l, &hop)))
		return cc_lb_drop(CC_REASON_INVALID_PACKET, l->bytes);
	cc_lb_count(service, l->bytes);
	if (hop.action == CC_REDIRECT)
		bpf_redirect(hop.ifindex, 0);
	return hop.action;
}

#endif /* CILIUMCORE_BPF_LB_FORWARD_H_ */
