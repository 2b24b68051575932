/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* ICMP errors belong to the connection whose packet they quote (RFC 792,
 * RFC 4443 2.4): the packet's tuple becomes that of the flow, seen from the
 * side that did not send the quoted packet. */
#ifndef CILIUMCORE_BPF_ICMP_ERROR_H_
#define CILIUMCORE_BPF_ICMP_ERROR_H_

#include "bpf/lib/ctx.h"
#include "bpf/lib/packet.h"
#include "ciliumcore/abi/reason.h"

/* Destination unreachable, source quench, time exceeded, parameter problem; in
 * ICMPv6 everything below 128. */
CC_INLINE bool cc_is_icmp_error(const struct cc_packet *p)
{
	if (p->protocol == IPPROTO_ICMPV6)
		return p->icmp_type < 128;
	return p->icmp_type == 3 || p->icmp_type == 4 || p->icmp_type == 11 || p->icmp_type == 12;
}

/* Replaces the tuple by the quoted packet's, reversed. The reason why not, or 0. */
CC_INLINE __u8 cc_parse_icmp_error(const cc_ctx *ctx, struct cc_packet *p)
{
	struct cc_addr quoted_src, quoted_dst;
	__u32 at = p->l4 + 8;
	__u8 ports[8];

	if (p->is_v6) {
		struct ipv6hdr ip;

		if (!ctx_load(ctx, at, &ip, sizeof(ip)) || ip.version != 6)
			return CC_REASON_INVALID_PACKET;
		__builtin_memcpy(&quoted_src, &ip.saddr, sizeof(quoted_src));
		__builtin_memcpy(&quoted_dst, &ip.daddr, sizeof(quoted_dst));
		p->protocol = ip.nexthdr;
		at += sizeof(ip);
	} else {
		struct iphdr ip;

		if (!ctx_load(ctx, at, &ip, sizeof(ip)) || ip.version != 4 || ip.ihl < 5 ||
		    ip.frag_off & bpf_htons(0x1fff))
			return CC_REASON_INVALID_PACKET;
		quoted_src = cc_addr_v4(ip.saddr);
		quoted_dst = cc_addr_v4(ip.daddr);
		p->protocol = ip.protocol;
		at += ip.ihl * 4;
	}
	/* An error goes to whoever sent the packet that it is about. */
	if (!cc_addr_equal(&quoted_src, &p->dst))
		return CC_REASON_NOT_RELATED;
	if (!ctx_load(ctx, at, ports, sizeof(ports)))
		return CC_REASON_INVALID_PACKET;
	p->is_error = 1;
	p->error_from = p->src;
	if (cc_is_icmp(p)) {
		p->icmp_type = ports[0];
		__builtin_memcpy(&p->sport, ports + 4, 2);
		p->dport = p->sport;
	} else {
		__builtin_memcpy(&p->dport, ports, 2);
		__builtin_memcpy(&p->sport, ports + 2, 2);
	}
	p->src = quoted_dst;
	p->dst = quoted_src;
	return 0;
}

#endif /* CILIUMCORE_BPF_ICMP_ERROR_H_ */
