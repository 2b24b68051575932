/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Reads what a load balancer must know of a packet: to which frontend it goes and
 * of which flow it is. */
#ifndef CILIUMCORE_BPF_LB_PARSE_H_
#define CILIUMCORE_BPF_LB_PARSE_H_

#include "bpf/lib/ctx.h"
#include "bpf/lib/fragment.h"
#include "bpf/lib/packet.h"

#define CC_LB_MAX_EXTENSION_HEADERS 6

/* Which part of its datagram a packet is; fragment_id says of which. */
enum cc_lb_fragment { CC_LB_WHOLE, CC_LB_FIRST, CC_LB_LATER };

/* The flow is in the fields of these names; of an ICMP error, it is the one of
 * client and frontend that the error is about, seen as the client sends. */
struct cc_lb_packet {
	struct cc_packet p; /* src, dst, ports, protocol, tcp_flags, is_v6, is_error, ttl, l4 */
	__u16 bytes;        /* of the IP packet */
	__u8 traffic_class;
	__u8 part; /* enum cc_lb_fragment */
	__u32 fragment_id;
};

/* The transport header, at p->l4. False: not for us. */
CC_INLINE bool cc_lb_parse_transport(const cc_ctx *ctx, struct cc_packet *p)
{
	const bool is_tcp = p->protocol == IPPROTO_TCP;
	const __u8 *h;

	if (!is_tcp && p->protocol != IPPROTO_UDP)
		return false;
	h = ctx_at(ctx, p->l4, 8);
	if (!h)
		return false;
	p->sport = ((const __be16 *)h)[0];
	p->dport = ((const __be16 *)h)[1];
	if (!is_tcp)
		return true;
	h = ctx_at(ctx, p->l4, 20);
	if (!h)
		return false;
	p->tcp_flags = h[13];
	return true;
}

/* The flow that an ICMP error at p->l4 is about: of the quoted packet, reversed, as
 * the frontend sent that. False: not for us. */
CC_INLINE bool cc_lb_parse_error(const cc_ctx *ctx, struct cc_packet *p)
{
	const struct cc_addr to = p->dst;
	const __u8 *icmp = ctx_at(ctx, p->l4, 8);
	__u32 at = p->l4 + 8;
	const __be16 *ports;

	if (!icmp)
		return false;
	if (p->is_v6) {
		const struct ipv6hdr *ip = ctx_at(ctx, at, sizeof(*ip));

		if (icmp[0] >= 128 || !ip || ip->version != 6)
			return false;
		__builtin_memcpy(&p->dst, &ip->saddr, sizeof(p->dst));
		__builtin_memcpy(&p->src, &ip->daddr, sizeof(p->src));
		p->protocol = ip->nexthdr;
		at += sizeof(*ip);
	} else {
		const struct iphdr *ip = ctx_at(ctx, at, sizeof(*ip));

		if ((icmp[0] != 3 && icmp[0] != 4 && icmp[0] != 11 && icmp[0] != 12) || !ip ||
		    ip->version != 4 || ip->ihl < 5 || ip->frag_off & bpf_htons(0x1fff))
			return false;
		p->dst = cc_addr_v4(ip->saddr);
		p->src = cc_addr_v4(ip->daddr);
		p->protocol = ip->protocol;
		at += ip->ihl * 4;
	}
	/* an error goes to whoever sent the packet that it is about */
	if (!cc_addr_equal(&to, &p->dst) ||
	    (p->protocol != IPPROTO_TCP && p->protocol != IPPROTO_UDP))
		return false;
	ports = ctx_at(ctx, at, 4);
	if (!ports)
		return false;
	p->dport = ports[0];
	p->sport = ports[1];
	p->is_error = 1;
	return true;
}

/* What is behind the IP headers. `fragment`: as in parse.h. */
CC_INLINE bool cc_lb_parse_payload(const cc_ctx *ctx, struct cc_lb_packet *l, __u32 fragment)
{
	struct cc_packet *p = &l->p;

	if (fragment > 1) {
		/* of a datagram whose first fragment had a frontend, and came first */
		l->part = CC_LB_LATER;
		return (p->protocol == IPPROTO_TCP || p->protocol == IPPROTO_UDP) &&
		       !cc_fragment_resolve(p, l->fragment_id, fragment >> 1);
	}
	if (p->protocol == (p->is_v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP))
		return !fragment && cc_lb_parse_error(ctx, p);
	l->part = fragment & 1 ? CC_LB_FIRST : CC_LB_WHOLE;
	return cc_lb_parse_transport(ctx, p);
}

/* Passes over one extension header; false at the last, or if there is none. */
CC_INLINE bool cc_lb_next_header(const cc_ctx *ctx, struct cc_lb_packet *l, __u32 *fragment)
{
	struct cc_packet *p = &l->p;
	const __u8 *h;

	if (p->protocol != IPPROTO_HOPOPTS && p->protocol != IPPROTO_ROUTING &&
	    p->protocol != IPPROTO_DSTOPTS && p->protocol != IPPROTO_FRAGMENT)
		return false;
	h = ctx_at(ctx, p->l4, 8);
	if (!h) {
		p->protocol = IPPROTO_NONE;
		return false;
	}
	if (p->protocol == IPPROTO_FRAGMENT) {
		const __u32 field = (__u32)h[2] << 8 | h[3];

		*fragment = (field >> 3) << 1 | (field & 1);
		__builtin_memcpy(&l->fragment_id, h + 4, 4);
		p->l4 += 8;
	} else {
		p->l4 += (h[1] + 1) * 8;
	}
	p->protocol = h[0];
	return *fragment <= 1;
}

/* What the fast path leaves: options, extension headers, fragments, ICMP errors. */
CC_FUNCTION int cc_lb_parse_rest(cc_ctx *ctx, struct cc_lb_packet *l)
{
	__u32 fragment = 0;

	if (!l)
		return 0;
	if (!l->p.is_v6) {
		const struct iphdr *ip = ctx_at(ctx, ETH_HLEN, sizeof(*ip));

		if (!ip || ip->version != 4 || ip->ihl < 5)
			return 0;
		l->p.l4 = ETH_HLEN + ip->ihl * 4;
		fragment = bpf_ntohs(ip->frag_off);
		fragment = (fragment & 0x1fff) << 1 | (fragment >> 13 & 1);
		l->fragment_id = ip->id;
		return cc_lb_parse_payload(ctx, l, fragment);
	}
	for (int i = 0; i < CC_LB_MAX_EXTENSION_HEADERS; i++) {
		if (!cc_lb_next_header(ctx, l, &fragment))
			break;
	}
	return cc_lb_parse_payload(ctx, l, fragment);
}

CC_INLINE bool cc_lb_parse_ipv4(cc_ctx *ctx, struct cc_lb_packet *l)
{
	const struct iphdr *ip = ctx_at(ctx, ETH_HLEN, sizeof(*ip));

	if (!ip)
		return false;
	cc_addr_put_v4(&l->p.src, ip->saddr);
	cc_addr_put_v4(&l->p.dst, ip->daddr);
	l->p.protocol = ip->protocol;
	l->p.ttl = ip->ttl;
	l->bytes = bpf_ntohs(ip->tot_len);
	l->traffic_class = ip->tos;
	l->p.l4 = ETH_HLEN + sizeof(*ip);
	if (*(const __u8 *)ip == 0x45 && !(ip->frag_off & bpf_htons(0x3fff)) &&
	    ip->protocol != IPPROTO_ICMP)
		return cc_lb_parse_transport(ctx, &l->p);
	return cc_lb_parse_rest(ctx, l);
}

CC_INLINE bool cc_lb_parse_ipv6(cc_ctx *ctx, struct cc_lb_packet *l)
{
	const struct ipv6hdr *ip = ctx_at(ctx, ETH_HLEN, sizeof(*ip));

	if (!ip || ip->version != 6)
		return false;
	__builtin_memcpy(&l->p.src, &ip->saddr, sizeof(l->p.src));
	__builtin_memcpy(&l->p.dst, &ip->daddr, sizeof(l->p.dst));
	/* v4-mapped addresses never travel (RFC 4291 2.5.5.2), and would be IPv4 to us */
	if (!l->p.dst.w[0] && !l->p.dst.w[1] && l->p.dst.w[2] == bpf_htonl(0xffff))
		return false;
	l->p.is_v6 = 1;
	l->p.protocol = ip->nexthdr;
	l->p.ttl = ip->hop_limit;
	l->bytes = bpf_ntohs(ip->payload_len) + sizeof(*ip);
	l->traffic_class = (__u8)(bpf_ntohs(*(const __be16 *)ip) >> 4);
	l->p.l4 = ETH_HLEN + sizeof(*ip);
	if (ip->nexthdr == IPPROTO_TCP || ip->nexthdr == IPPROTO_UDP)
		return cc_lb_parse_transport(ctx, &l->p);
	return cc_lb_parse_rest(ctx, l);
}

/* Fills *l, which is zero. False if the packet is of no flow that could be ours: the
 * node's to handle. */
CC_INLINE bool cc_lb_parse(cc_ctx *ctx, struct cc_lb_packet *l)
{
	const struct ethhdr *eth = ctx_at(ctx, 0, sizeof(*eth));

	if (!eth)
		return false;
	if (eth->h_proto == bpf_htons(ETH_P_IP))
		return cc_lb_parse_ipv4(ctx, l);
	return eth->h_proto == bpf_htons(ETH_P_IPV6) && cc_lb_parse_ipv6(ctx, l);
}

#endif /* CILIUMCORE_BPF_LB_PARSE_H_ */
