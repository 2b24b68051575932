/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Tells the sender of a packet that it does not fit: ICMP "fragmentation needed" (RFC
 * 1191), ICMPv6 "packet too big" (RFC 4443 3.2), from the frontend. */
#ifndef CILIUMCORE_BPF_LB_TOO_BIG_H_
#define CILIUMCORE_BPF_LB_TOO_BIG_H_

#include "bpf/lib/lb_state.h"

/* What is quoted of the packet, with its headers; it is longer than that. */
#define CC_LB_QUOTE4 64
#define CC_LB_QUOTE6 128

struct cc_lb_icmp {
	__u8 type, code;
	__be16 check;
	__be32 mtu; /* ICMP: in the last two bytes */
};

CC_INLINE __be16 cc_lb_fold(__s64 sum)
{
	__u64 s = (__u64)sum & 0xffffffff;

	s = (s & 0xffff) + (s >> 16);
	s = (s & 0xffff) + (s >> 16);
	return (__be16)~s;
}

/* Makes room for `bytes` of headers in front of the first `quote` bytes of the IP
 * packet, and swaps the MAC addresses. The new IP header, or NULL. */
CC_INLINE void *cc_lb_begin_answer(cc_ctx *ctx, __u32 bytes, __u32 quote, __u16 type)
{
	struct ethhdr old, *eth = ctx_at(ctx, 0, ETH_HLEN);
	const int cut = (int)(ETH_HLEN + quote) - (int)ctx_len(ctx);

	if (!eth || cut > 0)
		return NULL;
	old = *eth;
	if (bpf_xdp_adjust_tail(ctx, cut) || bpf_xdp_adjust_head(ctx, -(int)bytes))
		return NULL;
	eth = ctx_at(ctx, 0, ETH_HLEN + bytes + quote);
	if (!eth)
		return NULL;
	__builtin_memcpy(eth->h_dest, old.h_source, ETH_ALEN);
	__builtin_memcpy(eth->h_source, old.h_dest, ETH_ALEN);
	eth->h_proto = bpf_htons(type);
	return eth + 1;
}

CC_INLINE int cc_lb_tell_too_big4(cc_ctx *ctx, __u32 mtu)
{
	const __u32 bytes = sizeof(struct iphdr) + sizeof(struct cc_lb_icmp);
	__u8 *at = cc_lb_begin_answer(ctx, bytes, CC_LB_QUOTE4, ETH_P_IP);

	if (!at)
		return CC_DROP;
	struct iphdr *ip = (struct iphdr *)at;
	struct cc_lb_icmp *icmp = (struct cc_lb_icmp *)(ip + 1);
	const struct iphdr *quoted = (const struct iphdr *)(icmp + 1);

	*(__be32 *)ip = bpf_htonl(0x45000000 | (bytes + CC_LB_QUOTE4));
	*(__be32 *)&ip->id = 0;
	*(__be32 *)&ip->ttl = bpf_htonl(64 << 24 | IPPROTO_ICMP << 16);
	ip->saddr = quoted->daddr;
	ip->daddr = quoted->saddr;
	ip->check = cc_lb_fold(bpf_csum_diff(NULL, 0, (__be32 *)ip, sizeof(*ip), 0));
	*icmp = (struct cc_lb_icmp){ .type = 3, .code = 4, .mtu = bpf_htonl(mtu & 0xffff) };
	icmp->check =
		cc_lb_fold(bpf_csum_diff(NULL, 0, (__be32 *)icmp, sizeof(*icmp) + CC_LB_QUOTE4, 0));
	return CC_SEND;
}

CC_INLINE int cc_lb_tell_too_big6(cc_ctx *ctx, __u32 mtu)
{
	const __u32 message = sizeof(struct cc_lb_icmp) + CC_LB_QUOTE6;
	__u8 *at = cc_lb_begin_answer(ctx, sizeof(struct ipv6hdr) + sizeof(struct cc_lb_icmp),
				      CC_LB_QUOTE6, ETH_P_IPV6);

	if (!at)
		return CC_DROP;
	struct ipv6hdr *ip = (struct ipv6hdr *)at;
	struct cc_lb_icmp *icmp = (struct cc_lb_icmp *)(ip + 1);
	const struct ipv6hdr *quoted = (const struct ipv6hdr *)(icmp + 1);
	const __be32 pseudo[2] = { bpf_htonl(message), bpf_htonl(IPPROTO_ICMPV6) };
	__s64 sum;

	*(__be32 *)ip = bpf_htonl(0x60000000);
	ip->payload_len = bpf_htons(message);
	ip->nexthdr = IPPROTO_ICMPV6;
	ip->hop_limit = 64;
	ip->saddr = quoted->daddr;
	ip->daddr = quoted->saddr;
	*icmp = (struct cc_lb_icmp){ .type = 2, .mtu = bpf_htonl(mtu) };
	sum = bpf_csum_diff(NULL, 0, (__be32 *)pseudo, sizeof(pseudo), 0);
	/* the addresses, the message */
	sum = bpf_csum_diff(NULL, 0, (__be32 *)&ip->saddr, 32 + message, (__u32)sum);
	icmp->check = cc_lb_fold(sum);
	return CC_SEND;
}

/* Turns the packet into the answer. CC_DROP if it cannot be. */
CC_FUNCTION int cc_lb_tell_too_big(cc_ctx *ctx, __u32 is_v6, __u32 mtu)
{
	return is_v6 ? cc_lb_tell_too_big6(ctx, mtu) : cc_lb_tell_too_big4(ctx, mtu);
}

#endif /* CILIUMCORE_BPF_LB_TOO_BIG_H_ */
