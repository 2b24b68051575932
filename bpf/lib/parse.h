/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Reads a packet's headers into struct cc_packet. */
#ifndef CILIUMCORE_BPF_PARSE_H_
#define CILIUMCORE_BPF_PARSE_H_

#include "bpf/lib/ctx.h"
#include "bpf/lib/fragment.h"
#include "bpf/lib/icmp_error.h"
#include "bpf/lib/packet.h"

enum cc_parsed {
	CC_PARSED_IP, /* ours to judge */
	CC_PARSED_ARP,
	CC_PARSED_REFUSED, /* reason says why */
};

#define CC_MAX_EXTENSION_HEADERS 6
/* Ethernet, IPv6 and TCP up to its flags: what must be linear for the fast path. */
#define CC_PULL_BYTES (14 + 40 + 60)

CC_INLINE enum cc_parsed cc_refuse(struct cc_packet *p, __u8 reason)
{
	p->reason = reason;
	return CC_PARSED_REFUSED;
}

/* The transport header, at p->l4. */
CC_INLINE enum cc_parsed cc_parse_transport(const cc_ctx *ctx, struct cc_packet *p)
{
	const __u8 *h;

	switch (p->protocol) {
	case IPPROTO_TCP:
		h = ctx_at(ctx, p->l4, 20);
		if (!h)
			return cc_refuse(p, CC_REASON_CT_INVALID_HEADER);
		p->tcp_flags = h[13];
		break;
	case IPPROTO_UDP:
	case IPPROTO_SCTP:
		h = ctx_at(ctx, p->l4, 8);
		if (!h)
			return cc_refuse(p, CC_REASON_CT_INVALID_HEADER);
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		/* each in its own family only */
		if ((p->protocol == IPPROTO_ICMPV6) != p->is_v6)
			return cc_refuse(p, CC_REASON_INVALID_PACKET);
		h = ctx_at(ctx, p->l4, 8);
		if (!h)
			return cc_refuse(p, CC_REASON_CT_INVALID_HEADER);
		p->icmp_type = h[0];
		p->icmp_code = h[1];
		if (cc_is_tracked(p))
			p->sport = p->dport = *(const __be16 *)(h + 4);
		return CC_PARSED_IP;
	default:
		return CC_PARSED_IP;
	}
	p->sport = ((const __be16 *)h)[0];
	p->dport = ((const __be16 *)h)[1];
	return CC_PARSED_IP;
}

/* The transport, and what stands for it in fragments and ICMP errors.
 * `fragment`: offset in units of 8 bytes << 1 | more follow; 0: whole. */
CC_INLINE enum cc_parsed cc_parse_payload(cc_ctx *ctx, struct cc_packet *p, __u32 fragment,
					  __u32 fragment_id)
{
	if (fragment > 1) {
		const __u8 reason = cc_fragment_resolve(p, fragment_id, fragment >> 1);

		return reason ? cc_refuse(p, reason) : CC_PARSED_IP;
	}
	if (cc_parse_transport(ctx, p) != CC_PARSED_IP)
		return CC_PARSED_REFUSED;
	if (cc_is_icmp(p) && cc_is_icmp_error(p)) {
		const __u8 reason = cc_parse_icmp_error(ctx, p);

		return reason ? cc_refuse(p, reason) : CC_PARSED_IP;
	}
	if (fragment)
		cc_fragment_remember(p, fragment_id);
	return CC_PARSED_IP;
}

CC_INLINE enum cc_parsed cc_parse_ipv4(cc_ctx *ctx, struct cc_packet *p)
{
	const struct iphdr *ip = ctx_at(ctx, ETH_HLEN, sizeof(*ip));
	__u32 fragment;

	if (!ip || ip->version != 4 || ip->ihl < 5)
		return cc_refuse(p, CC_REASON_INVALID_PACKET);
	p->src = cc_addr_v4(ip->saddr);
	p->dst = cc_addr_v4(ip->daddr);
	p->protocol = ip->protocol;
	p->ttl = ip->ttl;
	p->l4 = ETH_HLEN + ip->ihl * 4;
	fragment = bpf_ntohs(ip->frag_off);
	fragment = (fragment & 0x1fff) << 1 | (fragment >> 13 & 1);
	return cc_parse_payload(ctx, p, fragment, ip->id);
}

/* Walks one extension header. Returns true while there may be more. */
CC_INLINE bool cc_next_header(const cc_ctx *ctx, struct cc_packet *p, __u32 *fragment, __u32 *id)
{
	__u8 h[8];

	switch (p->protocol) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_DSTOPTS:
	case IPPROTO_FRAGMENT:
	case IPPROTO_AH:
		break;
	default:
		return false;
	}
	if (!ctx_load(ctx, p->l4, h, sizeof(h))) {
		p->reason = CC_REASON_INVALID_EXTENSION_HEADER;
		return false;
	}
	if (p->protocol == IPPROTO_FRAGMENT) {
		const __u32 field = (__u32)h[2] << 8 | h[3];

		*fragment = (field >> 3) << 1 | (field & 1);
		__builtin_memcpy(id, h + 4, 4);
		p->l4 += 8;
	} else if (p->protocol == IPPROTO_AH) {
		p->l4 += (h[1] + 2) * 4;
	} else {
		p->l4 += (h[1] + 1) * 8;
	}
	p->protocol = h[0];
	/* behind a later fragment's header is data, not headers */
	return *fragment <= 1;
}

CC_INLINE enum cc_parsed cc_parse_ipv6(cc_ctx *ctx, struct cc_packet *p)
{
	const struct ipv6hdr *ip = ctx_at(ctx, ETH_HLEN, sizeof(*ip));
	__u32 fragment = 0, id = 0;
	bool more = true;

	if (!ip || ip->version != 6)
		return cc_refuse(p, CC_REASON_INVALID_PACKET);
	__builtin_memcpy(&p->src, &ip->saddr, sizeof(p->src));
	__builtin_memcpy(&p->dst, &ip->daddr, sizeof(p->dst));
	/* v4-mapped addresses never travel (RFC 4291 2.5.5.2), and would be IPv4 to us */
	if ((!p->src.w[0] && !p->src.w[1] && p->src.w[2] == bpf_htonl(0xffff)) ||
	    (!p->dst.w[0] && !p->dst.w[1] && p->dst.w[2] == bpf_htonl(0xffff)))
		return cc_refuse(p, CC_REASON_INVALID_PACKET);
	p->is_v6 = 1;
	p->protocol = ip->nexthdr;
	p->ttl = ip->hop_limit;
	p->l4 = ETH_HLEN + sizeof(*ip);
	for (int i = 0; i < CC_MAX_EXTENSION_HEADERS && more; i++)
		more = cc_next_header(ctx, p, &fragment, &id);
	if (p->reason || (more && fragment <= 1))
		return cc_refuse(p, CC_REASON_INVALID_EXTENSION_HEADER);
	return cc_parse_payload(ctx, p, fragment, id);
}

/* Fills *p, which is zero. */
CC_FUNCTION enum cc_parsed cc_parse(cc_ctx *ctx, struct cc_packet *p)
{
	const struct ethhdr *eth;

	if (!p)
		return CC_PARSED_REFUSED;
	p->bytes = ctx_len(ctx);
	if (!ctx_at(ctx, 0, CC_PULL_BYTES) && !ctx_pull(ctx, CC_PULL_BYTES))
		return cc_refuse(p, CC_REASON_INVALID_PACKET);
	eth = ctx_at(ctx, 0, sizeof(*eth));
	if (!eth)
		return cc_refuse(p, CC_REASON_INVALID_PACKET);
	if (eth->h_proto == bpf_htons(ETH_P_IP))
		return cc_parse_ipv4(ctx, p);
	if (eth->h_proto == bpf_htons(ETH_P_IPV6))
		return cc_parse_ipv6(ctx, p);
	if (eth->h_proto == bpf_htons(ETH_P_ARP))
		return CC_PARSED_ARP;
	return cc_refuse(p, CC_REASON_UNSUPPORTED_L3);
}

#endif /* CILIUMCORE_BPF_PARSE_H_ */
