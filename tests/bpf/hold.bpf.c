/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* A packet that takes its time: asks the first questions of a judgement, stays
 * in a loop for as long as it is told, and asks the others. What the programs
 * do in a fraction of a microsecond, stretched until changes fall in between.
 */
#include "bpf/lib/ctx.h"
#include "bpf/lib/judge.h"

/* In: cb[0] the sender's slot, cb[1] the receiver's, cb[2] turns of the loop.
 * Out: cb[0] and cb[1] the rule sets of the two sides, cb[2] the receiver's
 * peer number, cb[3] the epoch. */
static long cc_turn(__u32 turn, void* unused) {
  (void)turn;
  (void)unused;
  bpf_ktime_get_ns();
  return 0;
}

CC_INLINE __u32 cc_ask(const struct cc_endpoint* endpoint, __u32 side,
                       __u32 epoch) {
  const struct cc_subject subject = cc_subject_of(endpoint, epoch);

  return cc_decide(side == CC_EGRESS ? subject.table[CC_EGRESS]
                                     : subject.table[CC_INGRESS],
                   CC_IDENTITY_WORLD, IPPROTO_TCP, 80)
      .rule_set;
}

CC_PROGRAM("tc")
int cc_hold(cc_ctx* ctx) {
  const struct cc_endpoint* sender = cc_endpoint_at(ctx->cb[0]);
  const struct cc_endpoint* receiver = cc_endpoint_at(ctx->cb[1]);
  const __u32 turns = ctx->cb[2];
  struct cc_addr address;
  __u32 epoch;

  if (!sender || !receiver) return CC_DROP;
  epoch = cc_epoch();
  ctx->cb[0] = cc_ask(sender, CC_EGRESS, epoch);
  bpf_loop(turns, cc_turn, NULL, 0);
  ctx->cb[1] = cc_ask(receiver, CC_INGRESS, epoch);
  address = receiver->v4;
  ctx->cb[2] = cc_place_of(&address, epoch).peer;
  ctx->cb[3] = epoch;
  return CC_PASS;
}

CC_LICENSE;
