/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Why a packet was dropped. One table: the enum, the names and the remedies all
 * come from it. Numbers below 220 mean what they mean to Cilium's users; ours
 * begin at 220. A number is never reused. */
#ifndef CILIUMCORE_ABI_REASON_H_
#define CILIUMCORE_ABI_REASON_H_

/* clang-format off */
/* X(NAME, number, "text", "what to look at") */
#define CC_REASONS(X)                                                                              \
	X(FORWARDED, 0, "forwarded", "")                                                           \
	X(INVALID_SOURCE_IP, 132, "invalid source address",                                        \
	  "the endpoint sent from an address that is not its own, or somebody else used its address") \
	X(POLICY_DENIED, 133, "policy denied",                                                     \
	  "no rule of the policies that isolate the endpoint allows it")                           \
	X(INVALID_PACKET, 134, "invalid packet", "the packet is truncated or its headers disagree") \
	X(CT_INVALID_HEADER, 135, "invalid transport header", "the transport header is truncated") \
	X(UNSUPPORTED_L3, 139, "unsupported protocol above Ethernet", "only IPv4, IPv6 and ARP pass") \
	X(CT_INSERT_FAILED, 155, "connection not tracked", "the connection table refused the record") \
	X(INVALID_EXTENSION_HEADER, 156, "invalid IPv6 extension header",                          \
	  "too many or truncated extension headers")                                               \
	X(FRAGMENT_REFUSED, 157, "fragment refused", "a fragment that overlaps its transport header") \
	X(NO_BACKEND, 158, "service without backend",                                              \
	  "the service selects no pod that has the port, or all of its backends are gone")         \
	X(HOST_UNREACHABLE, 164, "host unreachable", "no next hop is known for the address")       \
	X(FIB_LOOKUP_FAILED, 169, "no route", "the node's routing table has no usable route")      \
	X(FIRST_FRAGMENT_MISSING, 175, "first fragment not seen",                                  \
	  "a later fragment came before the first, or the fragment table is full")                 \
	X(FORBIDDEN_ICMPV6, 176, "forbidden ICMPv6", "a neighbour message for somebody else's address") \
	X(NO_PROXY, 178, "no proxy",                                                               \
	  "the rules that allow it have a proxy judge what is said; the datapath has none")        \
	X(POLICY_DENY, 181, "denied by a deny rule", "a deny rule matched")                        \
	X(TTL_EXCEEDED, 196, "time to live exceeded", "a routing loop, or a probe such as traceroute") \
	X(NO_ENDPOINT, 220, "interface is no endpoint", "the program is attached, but no endpoint is") \
	X(NOT_RELATED, 221, "ICMP error for no connection", "the error quotes a packet nobody sent") \
	X(LINK_SCOPE, 222, "link-scope control message", "router solicitation or multicast listener") \
	X(PACKET_TOO_BIG, 223, "packet too big",                                                   \
	  "with what must go around it, it exceeds the MTU; its sender was told")
/* clang-format on */

enum cc_reason {
#define CC_REASON_ENUM(name, number, text, remedy) CC_REASON_##name = number,
	CC_REASONS(CC_REASON_ENUM)
#undef CC_REASON_ENUM
};

#endif /* CILIUMCORE_ABI_REASON_H_ */
