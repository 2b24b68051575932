/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Which backend a client of a frontend gets, at an epoch. */
#ifndef CILIUMCORE_BPF_SERVICE_H_
#define CILIUMCORE_BPF_SERVICE_H_

#include "bpf/lib/packet.h"
#include "bpf/lib/state.h"
#include "ciliumcore/abi/service.h"

/* Written by user space, read here. */
CC_MAP(cc_frontends, ARRAY, __u32, struct cc_service_heads, 8192, BPF_F_MMAPABLE);
CC_MAP(cc_services, ARRAY, __u32, struct cc_service, 73728, BPF_F_MMAPABLE);
CC_MAP(cc_maglev, ARRAY, __u32, struct cc_service_slots, 1048576, BPF_F_MMAPABLE);
CC_MAP(cc_backends, ARRAY, __u32, struct cc_backend, 524288, BPF_F_MMAPABLE);
/* Written and read here. */
CC_MAP(cc_affinity, LRU_HASH, struct cc_affinity_key, struct cc_affinity, 65536, 0);

/* What a client asks for, and what it gets. */
struct cc_choice {
	struct cc_addr addr; /* of the frontend, then of the backend */
	__be16 port;
	__u8 protocol;
	__u32 index, born; /* of the backend; `born` only where cc_backends was read */
};

CC_INLINE bool cc_addr_is_v4(const struct cc_addr *addr)
{
	return !(addr->w[0] | addr->w[1]) && addr->w[2] == bpf_htonl(0xffff);
}

CC_INLINE bool cc_service_is(const struct cc_service *service, const struct cc_choice *asked)
{
	const struct cc_addr *addr = &asked->addr;
	const __be32 *words = service->near_addr;

	if (service->addr != addr->w[3] || service->port != asked->port ||
	    service->protocol != asked->protocol)
		return false;
	return service->is_v6 ? !((words[0] ^ addr->w[0]) | (words[1] ^ addr->w[1]) |
				  (words[2] ^ addr->w[2])) :
				cc_addr_is_v4(addr);
}

/* The service of that frontend and its index, NULL if there is none. */
CC_INLINE const struct cc_service *cc_service_find(const struct cc_choice *asked,
						   const struct cc_state *state, __u32 *index)
{
	const __u32 hash =
		cc_service_hash(&asked->addr, asked->port, asked->protocol, state->addr_seed);
	const __u32 line = hash / CC_SERVICE_HEADS & state->service_mask;
	const struct cc_service_heads *heads = cc_lookup(&cc_frontends, &line);

	if (!heads)
		return NULL;
	*index = cc_load_once(&heads->service[hash % CC_SERVICE_HEADS]);
	for (int i = 0; i < CC_SERVICE_CHAIN && *index; i++) {
		const struct cc_service *service = cc_lookup(&cc_services, index);

		if (!service || cc_service_is(service, asked))
			return service;
		*index = cc_load_once(&service->next);
	}
	return NULL;
}

/* What the service stands for at `epoch`. */
CC_INLINE __u64 cc_service_target(const struct cc_service *service, __u32 epoch)
{
	const __u16 which = cc_switch_pick(cc_load_once(&service->which), epoch);

	return cc_load_once(&service->target[which & 1]);
}

/* The number in the slot that `random` says. */
CC_INLINE bool cc_service_number(__u64 target, __u32 random, __u32 *number)
{
	if (target & CC_SERVICE_IS_FEW) {
		const __u32 size = target >> 23 & 0xf;

		*number = target >> (27 + 3 * ((__u64)random * size >> 32)) & 7;
		return true;
	}
	const __u32 size = target >> 23 & 0x1ffff;
	const __u32 slot = (__u64)random * size >> 32;
	const __u32 line = (target >> 40 & (CC_SERVICE_MAX_LINES - 1)) + slot / CC_SERVICE_SLOTS;
	const struct cc_service_slots *slots = cc_lookup(&cc_maglev, &line);

	if (!slots)
		return false;
	*number = cc_load_once(&slots->backend[slot % CC_SERVICE_SLOTS]);
	return true;
}

/* Puts the backend of a slot, by `random`, into `choice`. */
CC_INLINE bool cc_choose(struct cc_choice *choice, const struct cc_service *service, __u64 target,
			 __u32 random)
{
	__u32 number;

	if (!cc_service_number(target, random, &number))
		return false;
	choice->index = (target & (CC_SERVICE_MAX_BACKENDS - 1)) + number;
	if (target & CC_SERVICE_IS_NEAR) {
		choice->addr = cc_addr_v4(service->near_addr[number % CC_SERVICE_NEAR]);
		choice->port = service->near_port[number % CC_SERVICE_NEAR];
		return true;
	}
	const struct cc_backend *backend = cc_lookup(&cc_backends, &choice->index);

	if (!backend)
		return false;
	choice->addr = backend->addr;
	choice->port = backend->port;
	choice->born = backend->born;
	return true;
}

/* The same of one that is remembered from an earlier epoch, if it is still there
 * and of `service`. Between the two looks at `born` nobody else moved in. */
CC_INLINE bool cc_choose_again(struct cc_choice *choice, __u32 index, __u32 service, __u32 epoch)
{
	const struct cc_backend *backend = cc_lookup(&cc_backends, &index);
	const __u32 born = backend ? cc_load_once(&backend->born) : 0;

	if (!born)
		return false;
	const __u32 until = cc_load_once(&backend->until);

	if (backend->service != service || (until && (__s32)(epoch - until) >= 0))
		return false;
	choice->addr = backend->addr;
	choice->port = backend->port;
	choice->index = index;
	choice->born = born;
	return cc_load_once(&backend->born) == born;
}

/* The one that `client` had if it came back in time; else that of its slot, which
 * is the same while the table is, and one that changes moves few. */
CC_INLINE bool cc_choose_for(struct cc_choice *choice, const struct cc_service *service,
			     __u32 index, __u64 target, __u64 client, __u32 epoch)
{
	const struct cc_affinity_key key = { .client = client, .service = index };
	const __u32 life = service->affinity_ticks, now = cc_now();
	struct cc_affinity *had = cc_lookup(&cc_affinity, &key);

	if (had && (__s32)(now - cc_load_once(&had->seen)) <= (__s32)life &&
	    cc_choose_again(choice, cc_load_once(&had->backend), index, epoch) &&
	    choice->born == cc_load_once(&had->born)) {
		if (had->seen != now)
			had->seen = now;
		return true;
	}
	if (!cc_choose(choice, service, target, client * 0x9e3779b97f4a7c15ull >> 32))
		return false;
	const struct cc_affinity has = { .backend = choice->index,
					 .born = choice->born,
					 .seen = now };

	/* a table that takes no more forgets: the client is served all the same */
	cc_put(&cc_affinity, &key, &has, BPF_ANY);
	return true;
}

#endif /* CILIUMCORE_BPF_SERVICE_H_ */
