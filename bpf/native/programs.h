/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The programs, as functions of a process. */
#ifndef CILIUMCORE_BPF_NATIVE_PROGRAMS_H_
#define CILIUMCORE_BPF_NATIVE_PROGRAMS_H_

#include "bpf/native/helpers.h"

#ifdef __cplusplus
extern "C" {
#endif

int cc_from_endpoint(cc_ctx *ctx);
int cc_to_endpoint(cc_ctx *ctx);

int cc_lb(cc_ctx *ctx);

int cc_connect4(struct bpf_sock_addr *ctx);
int cc_connect6(struct bpf_sock_addr *ctx);
int cc_sendmsg4(struct bpf_sock_addr *ctx);
int cc_sendmsg6(struct bpf_sock_addr *ctx);
int cc_recvmsg4(struct bpf_sock_addr *ctx);
int cc_recvmsg6(struct bpf_sock_addr *ctx);
int cc_getpeername4(struct bpf_sock_addr *ctx);
int cc_getpeername6(struct bpf_sock_addr *ctx);

#ifdef __cplusplus
}
#endif

#endif /* CILIUMCORE_BPF_NATIVE_PROGRAMS_H_ */
