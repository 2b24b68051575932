/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What the steps know of a packet, once parse.h has read it. */
#ifndef CILIUMCORE_BPF_PACKET_H_
#define CILIUMCORE_BPF_PACKET_H_

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include "bpf/lib/cc.h"
#include "ciliumcore/abi/base.h"

#define CC_ICMP_ECHO_REPLY 0
#define CC_ICMP_ECHO 8
#define CC_ICMPV6_ECHO 128
#define CC_ICMPV6_ECHO_REPLY 129
#define CC_TCP_FIN 0x01
#define CC_TCP_SYN 0x02
#define CC_TCP_RST 0x04
#define CC_TCP_ACK 0x10

struct cc_packet {
	struct cc_addr src, dst; /* the tuple: of the packet, or of the flow that an */
	__be16 sport, dport;     /* ICMP error is about; echo: the identifier twice */
	__u8 protocol;
	__u8 tcp_flags;
	__u8 icmp_type, icmp_code;
	__u8 is_v6;
	__u8 is_error; /* an ICMP error about the tuple */
	__u8 ttl;
	__u8 reason; /* why parsing failed */
	__u32 l4;    /* offset of the transport header */
	__u32 bytes;
	struct cc_addr error_from; /* who sent the packet itself, if is_error; it goes to dst */
};

CC_INLINE struct cc_addr cc_addr_v4(__be32 v4)
{
	return (struct cc_addr){ { 0, 0, bpf_htonl(0xffff), v4 } };
}

/* Stores a v4-mapped address in halves, as cc_addr_hash loads it: a processor does not
 * forward two small stores to one large load, but waits for them. */
CC_INLINE void cc_addr_put_v4(struct cc_addr *to, __be32 v4)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	const __u64 halves[2] = { 0, (__u64)v4 << 32 | bpf_htonl(0xffff) };
#else
	const __u64 halves[2] = { 0, (__u64)bpf_htonl(0xffff) << 32 | v4 };
#endif
	__builtin_memcpy(to, halves, sizeof(*to));
}

CC_INLINE bool cc_addr_equal(const struct cc_addr *a, const struct cc_addr *b)
{
	return !((a->w[0] ^ b->w[0]) | (a->w[1] ^ b->w[1]) | (a->w[2] ^ b->w[2]) |
		 (a->w[3] ^ b->w[3]));
}

CC_INLINE bool cc_is_icmp(const struct cc_packet *p)
{
	return p->protocol == IPPROTO_ICMP || p->protocol == IPPROTO_ICMPV6;
}

/* ICMP other than echo is judged packet by packet, by its own type: no record. */
CC_INLINE bool cc_is_tracked(const struct cc_packet *p)
{
	if (p->is_error || !cc_is_icmp(p))
		return true;
	return p->protocol == IPPROTO_ICMP ?
		       p->icmp_type == CC_ICMP_ECHO || p->icmp_type == CC_ICMP_ECHO_REPLY :
		       p->icmp_type == CC_ICMPV6_ECHO || p->icmp_type == CC_ICMPV6_ECHO_REPLY;
}

/* Opens a connection, whatever has been seen on this tuple before. */
CC_INLINE bool cc_is_opening(const struct cc_packet *p)
{
	if (p->is_error)
		return false;
	if (p->protocol == IPPROTO_TCP)
		return (p->tcp_flags & (CC_TCP_SYN | CC_TCP_ACK)) == CC_TCP_SYN;
	if (p->protocol == IPPROTO_ICMP)
		return p->icmp_type == CC_ICMP_ECHO;
	return p->protocol == IPPROTO_ICMPV6 && p->icmp_type == CC_ICMPV6_ECHO;
}

/* The port, in host order, under which policy judges the connection that the
 * packet belongs to: the responder's. ICMP: type << 8 | code, of the request. */
CC_INLINE __u16 cc_policy_port(const struct cc_packet *p, bool is_reply)
{
	if (!cc_is_icmp(p))
		return bpf_ntohs(is_reply ? p->sport : p->dport);
	if (is_reply || p->is_error)
		return (p->protocol == IPPROTO_ICMP ? CC_ICMP_ECHO : CC_ICMPV6_ECHO) << 8;
	return (__u16)(p->icmp_type << 8 | p->icmp_code);
}

#endif /* CILIUMCORE_BPF_PACKET_H_ */
