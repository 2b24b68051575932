/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Ends what would go on to speak to nobody.
 *
 *   cc_end_stale       of all UDP sockets of a network namespace, ends those that are
 *                      connected to a backend that is none of its service any more
 *
 * Writes a byte for each. An unconnected socket needs none of this: its next datagram
 * finds another backend by itself. */
#include "bpf/lib/service.h"
#include "bpf/lib/sock.h"

/* Of the kernel's own, what is read here; libbpf finds where it is. */
#define CC_RELOCATED __attribute__((preserve_access_index))

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
} CC_RELOCATED;

struct sock_common {
	__be32 skc_daddr;
	__be16 skc_dport;
	unsigned short skc_family;
	unsigned char skc_state;
	struct in6_addr skc_v6_daddr;
} CC_RELOCATED;

struct sock {
	struct sock_common __sk_common;
} CC_RELOCATED;

struct udp_sock;

struct bpf_iter__udp {
	struct bpf_iter_meta *meta;
	struct udp_sock *udp_sk;
} CC_RELOCATED;

extern int bpf_sock_destroy(struct sock_common *sock) __ksym;

#define CC_SK_ESTABLISHED 1 /* TCP_ESTABLISHED: of a UDP socket, connected */
#define CC_AF_INET 2

/* Whether it is connected to that backend: it may have left the service since. */
CC_INLINE bool cc_sock_speaks_to(const struct sock_common *sk, const struct cc_sock_service *known)
{
	const __be32 *words = sk->skc_v6_daddr.in6_u.u6_addr32;
	const struct cc_addr v6 = { { words[0], words[1], words[2], words[3] } };
	const struct cc_addr peer = sk->skc_family == CC_AF_INET ? cc_addr_v4(sk->skc_daddr) : v6;

	return sk->skc_dport == known->backend_port && cc_addr_equal(&peer, &known->backend);
}

/* Whether the backend that the socket speaks to is none of its service any more. */
CC_INLINE bool cc_sock_is_stale(const struct sock_common *sk, const struct cc_sock *sock,
				__u32 epoch)
{
	const __u32 last = sock->last % CC_SOCK_SERVICES;
	const struct cc_sock_service *known = &sock->known[last];
	struct cc_choice choice = { .addr = known->frontend, .port = known->frontend_port };

	return known->frontend_port && cc_sock_speaks_to(sk, known) &&
	       !cc_sock_go_on(&choice, known, sock->service[last], epoch);
}

CC_PROGRAM("iter/udp")
int cc_end_stale(struct bpf_iter__udp *ctx)
{
	struct udp_sock *const udp = ctx->udp_sk;
	const char one = 1;
	const __u32 zero = 0;

	if (!udp)
		return 0;
	struct sock_common *const sk = &((struct sock *)udp)->__sk_common;

	if (sk->skc_state != CC_SK_ESTABLISHED)
		return 0;
	const struct cc_sock *sock = bpf_sk_storage_get(&cc_socks, udp, 0, 0);
	const struct cc_state *state = cc_lookup(&cc_state, &zero);

	if (sock && state && cc_sock_is_stale(sk, sock, cc_load_once(&state->epoch)) &&
	    !bpf_sock_destroy((struct sock_common *)udp))
		bpf_seq_write(ctx->meta->seq, &one, sizeof(one));
	return 0;
}

CC_LICENSE;
