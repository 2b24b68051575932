/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* A socket and the services it speaks to. */
#ifndef CILIUMCORE_BPF_SOCK_H_
#define CILIUMCORE_BPF_SOCK_H_

#include "bpf/lib/events.h"
#include "bpf/lib/metrics.h"
#include "bpf/lib/service.h"

/* Written and read here; ends with the socket. */
CC_SK_STORAGE(cc_socks, struct cc_sock);

/* What the program returns. */
enum cc_sock_verdict {
	CC_SOCK_REFUSE = 0,
	CC_SOCK_GO_ON = 1,
};

#define CC_SOCK_ECONNREFUSED 111
#define CC_SOCK_ENOMEM 12

/* What the socket knows of that service, or the entry to put that into. */
CC_INLINE struct cc_sock_service *cc_sock_entry(struct cc_sock *sock, __u32 service)
{
	const __u32 next = sock->next % CC_SOCK_SERVICES;
	__u32 at = next;

	for (__u32 i = 0; i < CC_SOCK_SERVICES; i++)
		if (sock->service[i] == service)
			at = i;
	if (at == next)
		sock->next = at + 1;
	sock->service[at] = service;
	sock->last = at;
	return &sock->known[at];
}

/* The backend that the socket had, if it is still one of the service. An index may
 * have become another service's, and a backend's another's: the addresses tell. */
CC_INLINE bool cc_sock_go_on(struct cc_choice *choice, const struct cc_sock_service *known,
			     __u32 service, __u32 epoch)
{
	return known->frontend_port == choice->port &&
	       cc_addr_equal(&known->frontend, &choice->addr) &&
	       cc_choose_again(choice, known->index, service, epoch) &&
	       known->backend_port == choice->port && cc_addr_equal(&known->backend, &choice->addr);
}

/* Counts and tells that a frontend has no backend. */
CC_INLINE int cc_sock_refuse(const struct cc_choice *asked, __u32 epoch)
{
	const struct cc_packet p = { .dst = asked->addr,
				     .dport = asked->port,
				     .protocol = asked->protocol };
	const struct cc_told told = {
		.epoch = epoch,
		.kind = CC_EVENT_DROP,
		.reason = CC_REASON_NO_BACKEND,
		.direction = CC_EGRESS,
	};

	cc_count_shared(CC_EGRESS, CC_REASON_NO_BACKEND);
	if (cc_cfg()->emit_drops)
		cc_tell(0, &p, &told);
	bpf_set_retval(-CC_SOCK_ECONNREFUSED);
	return CC_SOCK_REFUSE;
}

/* Puts a backend in place of a frontend. An unconnected socket goes on with the
 * backend that it had: its datagrams to a service are one conversation. */
CC_INLINE int cc_sock_translate(struct bpf_sock_addr *ctx, struct cc_choice *choice, bool connects)
{
	const __u32 zero = 0;
	const struct cc_state *state = cc_lookup(&cc_state, &zero);

	if (!state)
		return CC_SOCK_GO_ON;
	const struct cc_choice asked = *choice;
	const __u32 epoch = cc_load_once(&state->epoch);
	__u32 index = 0;
	const struct cc_service *service = cc_service_find(&asked, state, &index);
	const __u64 target = service ? cc_service_target(service, epoch) : CC_SERVICE_NONE;

	if (!service || target == CC_SERVICE_NONE)
		return CC_SOCK_GO_ON;
	struct cc_sock *sock = cc_sock_of(&cc_socks, ctx, true);
	struct cc_sock_service *known = sock ? cc_sock_entry(sock, index) : NULL;

	if (!known) {
		bpf_set_retval(-CC_SOCK_ENOMEM);
		return CC_SOCK_REFUSE;
	}
	const bool goes_on = !connects && cc_sock_go_on(choice, known, index, epoch);

	if (!goes_on && (target == CC_SERVICE_EMPTY ||
			 !(target & CC_SERVICE_REMEMBERS ?
				   cc_choose_for(choice, service, index, target,
						 bpf_get_netns_cookie(ctx), epoch) :
				   cc_choose(choice, service, target, bpf_get_prandom_u32())))) {
		*choice = asked;
		return cc_sock_refuse(&asked, epoch);
	}
	known->frontend = asked.addr;
	known->frontend_port = asked.port;
	known->backend = choice->addr;
	known->backend_port = choice->port;
	known->index = choice->index;
	return CC_SOCK_GO_ON;
}

/* Puts the frontend in place of a backend that the socket got for it. */
CC_INLINE void cc_sock_restore(struct bpf_sock_addr *ctx, struct cc_choice *choice)
{
	const struct cc_sock *sock = cc_sock_of(&cc_socks, ctx, false);

	if (!sock)
		return;
	for (__u32 i = 0; i < CC_SOCK_SERVICES; i++) {
		/* of two services with this backend, the one that it spoke to last */
		const struct cc_sock_service *known =
			&sock->known[(sock->last + i) % CC_SOCK_SERVICES];

		if (!known->frontend_port || known->backend_port != choice->port ||
		    !cc_addr_equal(&known->backend, &choice->addr))
			continue;
		choice->addr = known->frontend;
		choice->port = known->frontend_port;
		return;
	}
}

#endif /* CILIUMCORE_BPF_SOCK_H_ */
