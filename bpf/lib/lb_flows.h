/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Which flow has which backend, for the flows of slots that have moved.
 *
 * In such a slot, a flow that has a record keeps the backend that the record says.
 * One without began before the change, or is new: a SYN says which. The first has
 * the backend of the table before, the second that of the table now; from here on
 * it has a record too. */
#ifndef CILIUMCORE_BPF_LB_FLOWS_H_
#define CILIUMCORE_BPF_LB_FLOWS_H_

#include "bpf/lib/lb_state.h"

/* Written here; user space removes the dead. */
CC_MAP(cc_lb_flows, ARRAY, __u32, struct cc_lb_flows, 131072, BPF_F_MMAPABLE);
CC_MAP(cc_lb_memory, PERCPU_ARRAY, __u32, __u64, CC_LB_MEMORY_COUNT, 0);

#define CC_LB_MISS CC_LB_WAYS       /* not there, and the bucket has been full */
#define CC_LB_ROOM (CC_LB_WAYS + 1) /* not there, and a word of it never was used */

/* Seconds within which a flow that a SYN began must go on. Until it does, its record is
 * as old as one that dies then: whoever sends SYNs alone evicts only his like. Not so
 * where flows are silent for no longer than that: there a SYN's record is as any. And
 * whoever sends other segments, or datagrams, of ever new flows to slots that move makes
 * records that look alive: when the table is full, they evict those that have been silent
 * longest, which may be of flows that live. The table's size is the bound. */
#define CC_LB_OPENING 60

/* What a packet asks of the flows. */
struct cc_lb_question {
	__u64 hash;
	__u32 service;
	__u32 epoch;
	__u64 before; /* target of the table of unrecorded flows, 0: none */
	__u32 now;    /* the backend by the table that new flows go by; 0: nobody */
	__u8 opens;   /* a new flow, for certain */
	__u8 is_tcp;
	__u8 is_about; /* not of the flow, only about it: it leaves no trace */
};

/* Where the flow is in the bucket, or CC_LB_MISS, or CC_LB_ROOM. */
CC_FUNCTION __u32 cc_lb_flow_find(const struct cc_lb_flows *bucket, __u32 tag)
{
	__u32 otherwise = CC_LB_MISS;

	if (!bucket)
		return otherwise;
	for (__u32 i = 0; i < CC_LB_WAYS; i++) {
		const __u64 word = cc_load_once(&bucket->flow[i]);

		if (!word)
			otherwise = CC_LB_ROOM;
		else if (CC_LB_FLOW_TAG(word) == tag && CC_LB_FLOW_BACKEND(word))
			return i;
	}
	return otherwise;
}

/* Seconds that the flow of a word has been silent, ~0 if there is no flow. */
CC_INLINE __u32 cc_lb_flow_age(__u64 word, __u32 now)
{
	const __u32 age = (now - CC_LB_FLOW_SEEN(word)) & (CC_LB_SEEN_PERIOD - 1);

	if (!CC_LB_FLOW_BACKEND(word))
		return ~0u;
	/* another CPU may have read a later time than we did */
	return age > CC_LB_SEEN_PERIOD - 64 ? 0 : age;
}

/* Where a new flow goes in the bucket: where none is, or the one that has been
 * silent longest. */
CC_FUNCTION __u32 cc_lb_flow_oldest(const struct cc_lb_flows *bucket, __u32 now)
{
	__u32 oldest = 0, most = 0;

	if (!bucket)
		return 0;
	for (__u32 i = 0; i < CC_LB_WAYS; i++) {
		const __u32 age = cc_lb_flow_age(cc_load_once(&bucket->flow[i]), now);

		if (age == ~0u)
			return i;
		if (age >= most) {
			most = age;
			oldest = i;
		}
	}
	return oldest;
}

CC_INLINE void cc_lb_note(__u32 what)
{
	__u64 *count = cc_lookup(&cc_lb_memory, &what);

	if (count)
		++*count;
}

enum cc_lb_put { CC_LB_PUT, CC_LB_FULL, CC_LB_BEATEN };

/* Puts `word` where the bucket has room, or in place of the flow that has been silent
 * longest, if for `dead` seconds. CC_LB_BEATEN: another CPU took that place. */
CC_INLINE enum cc_lb_put cc_lb_flow_put(struct cc_lb_flows *bucket, __u64 word, __u32 now,
					__u32 dead)
{
	const __u32 at = cc_lb_flow_oldest(bucket, now) & (CC_LB_WAYS - 1);
	const __u64 was = cc_load_once(&bucket->flow[at]);

	if (cc_lb_flow_age(was, now) < dead)
		return CC_LB_FULL;
	return __sync_val_compare_and_swap(&bucket->flow[at], was, word) == was ? CC_LB_PUT :
										  CC_LB_BEATEN;
}

/* The same, again where another CPU was quicker. */
CC_FUNCTION __u32 cc_lb_flow_insist(__u32 index, __u64 word, __u32 now, __u32 dead)
{
	struct cc_lb_flows *bucket = cc_lookup(&cc_lb_flows, &index);
	enum cc_lb_put put = CC_LB_BEATEN;

	if (!bucket)
		return CC_LB_BEATEN;
	for (int i = 0; i < CC_LB_WAYS && put == CC_LB_BEATEN; i++)
		put = cc_lb_flow_put(bucket, word, now, dead);
	return put;
}

/* Puts `word` where somebody has been silent for `dead` seconds. The second bucket is
 * only used, and asked, when the first has no word that never was. */
CC_INLINE __u32 cc_lb_flow_put_in_either(__u32 first, __u32 second, __u64 word, __u32 now,
					 __u32 dead)
{
	const __u32 put = cc_lb_flow_insist(first, word, now, dead);

	return put == CC_LB_FULL ? cc_lb_flow_insist(second, word, now, dead) : put;
}

/* Records a flow that is in neither bucket: where there is room, or in place of one that
 * has only begun, or of any. What is there may be of any protocol: only who has been silent
 * for longer than all of them may is dead. */
CC_INLINE void cc_lb_flow_record(const struct cc_lb_state *state, __u64 hash, __u64 word, __u32 now)
{
	const __u32 first = cc_lb_bucket(hash, state->flow_mask);
	const __u32 second = cc_lb_other_bucket(hash, state->flow_mask);
	const __u32 tcp = state->tcp_silence, other = state->other_silence;
	const __u32 dead = (tcp > other ? tcp : other) + 2;
	const __u32 half_open = tcp > CC_LB_OPENING ? tcp - CC_LB_OPENING : 1;

	cc_lb_note(CC_LB_RECORDED);
	if (cc_lb_flow_put_in_either(first, second, word, now, dead) == CC_LB_PUT)
		return;
	cc_lb_note(CC_LB_EVICTED);
	if (cc_lb_flow_put_in_either(first, second, word, now, half_open) == CC_LB_FULL)
		cc_lb_flow_insist(first, word, now, 0);
}

/* False if the backend is gone, or was never the service's. */
CC_INLINE bool cc_lb_serves(__u32 index, const struct cc_lb_question *ask, bool takes_new)
{
	const struct cc_lb_backend *backend = cc_lookup(&cc_lb_backends, &index);

	return backend && backend->service == ask->service && !cc_lb_is_gone(backend, ask->epoch) &&
	       !(takes_new && cc_load_once(&backend->drains));
}

/* The backend of the flow: that of its record, if that one is still there, else the
 * one of a table, which is recorded. 0: nobody. */
CC_FUNCTION __u32 cc_lb_flow_backend(const struct cc_lb_question *ask)
{
	const __u32 zero = 0;
	const struct cc_lb_state *state = cc_lookup(&cc_lb_state, &zero);

	if (!ask || !state)
		return 0;
	const __u32 tag = cc_lb_tag(ask->hash);
	__u32 index = cc_lb_bucket(ask->hash, state->flow_mask);
	struct cc_lb_flows *bucket = cc_lookup(&cc_lb_flows, &index);
	__u32 at = cc_lb_flow_find(bucket, tag), backend;

	if (at == CC_LB_MISS) {
		index = cc_lb_other_bucket(ask->hash, state->flow_mask);
		bucket = cc_lookup(&cc_lb_flows, &index);
		at = cc_lb_flow_find(bucket, tag);
	}
	if (!bucket)
		return 0;
	const bool is_known = at < CC_LB_WAYS;
	const __u32 now = cc_load_once(&state->now);
	const __u64 was = is_known ? cc_load_once(&bucket->flow[at & (CC_LB_WAYS - 1)]) : 0;

	backend = CC_LB_FLOW_BACKEND(was);
	if (CC_LB_FLOW_TAG(was) != tag || !cc_lb_serves(backend, ask, ask->opens)) {
		backend = ask->opens || !ask->before ?
				  0 :
				  cc_lb_backend_of(ask->before, cc_lb_slot_of(ask->before, tag));
		if (!cc_lb_serves(backend, ask, false))
			backend = ask->now;
	}
	if (!backend || ask->is_about)
		return backend;
	const __u32 silence = ask->is_tcp ? state->tcp_silence : state->other_silence;
	const bool is_same = CC_LB_FLOW_BACKEND(was) == backend && CC_LB_FLOW_TAG(was) == tag;
	const __u32 age = ask->opens && silence > CC_LB_OPENING ? silence - CC_LB_OPENING : 0;
	__u32 seen = now - age;

	/* a SYN makes no flow older that goes on */
	if (is_same && cc_lb_flow_age(was, now) < age)
		seen = CC_LB_FLOW_SEEN(was);
	const __u64 word = CC_LB_FLOW(tag, seen, backend);

	if (!is_known)
		cc_lb_flow_record(state, ask->hash, word, now);
	else if (word != was) /* whoever is quicker is right too */
		__sync_val_compare_and_swap(&bucket->flow[at & (CC_LB_WAYS - 1)], was, word);
	return backend;
}

#endif /* CILIUMCORE_BPF_LB_FLOWS_H_ */
