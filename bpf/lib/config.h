/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The node's configuration, as the programs read it: cc_cfg()->field. */
#ifndef CILIUMCORE_BPF_CONFIG_H_
#define CILIUMCORE_BPF_CONFIG_H_

#include "bpf/lib/cc.h"
#include "ciliumcore/abi/config.h"

CC_CONFIG(struct cc_config)

#endif /* CILIUMCORE_BPF_CONFIG_H_ */
