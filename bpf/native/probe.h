/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What the first steps of the programs make of a packet, for those who explain
 * what the programs do. */
#ifndef CILIUMCORE_BPF_NATIVE_PROBE_H_
#define CILIUMCORE_BPF_NATIVE_PROBE_H_

#include "bpf/native/helpers.h"
#include "ciliumcore/abi/base.h"

/* The packet and its connection; flags are 0 or 1. */
struct cc_probe {
	__u8 is_arp, is_refused, reason; /* why it is refused */
	__u8 is_v6, is_error;            /* an ICMP error about the tuple below */
	__u8 is_tracked, is_link_control;
	__u8 protocol, ttl, tcp_flags, icmp_type, icmp_code;
	struct cc_addr src, dst, error_from;
	__be16 sport, dport;
	__u16 policy_port; /* host order */
	__u8 is_known;     /* it has a live record, which says: */
	__u8 is_reply;
	__u8 judged; /* CC_CT_*_JUDGED, those of this epoch */
	__u16 where_src, where_dst;
	__u32 epoch; /* that the packet reads */
};

/* Reads the packet in the current world. Changes nothing but the memory of
 * first fragments, as the programs do. */
#ifdef __cplusplus
extern "C"
#endif
	void
	cc_native_probe(cc_ctx *ctx, struct cc_probe *probe);

#endif /* CILIUMCORE_BPF_NATIVE_PROBE_H_ */
