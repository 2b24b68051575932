// SPDX-License-Identifier: Apache-2.0

// A kernel that lacks something: to one thread, bpf(2) answers as it would
// there.

#ifndef CILIUMCORE_TESTS_SUPPORT_REFUSING_KERNEL_H_
#define CILIUMCORE_TESTS_SUPPORT_REFUSING_KERNEL_H_

#include <linux/bpf.h>

#include <cstdint>
#include <functional>

namespace ciliumcore::testing {

// Of a call of bpf(2), the errno it fails with, or 0 for what the kernel says.
using Refusal = std::function<int(int command, const bpf_attr& attr)>;

// Runs `body` in a thread whose calls of bpf(2), and those of threads that it
// starts, are asked of `refusal` first (seccomp user notification). Needs root.
void OnKernelThatRefuses(const Refusal& refusal,
                         const std::function<void()>& body);

// The refusals of kernels from before a feature.
int RefuseHelper(uint32_t helper, int command, const bpf_attr& attr);
int RefuseAtomics(int command, const bpf_attr& attr);
int RefuseMapType(uint32_t type, int command, const bpf_attr& attr);
int RefuseTcx(int command, const bpf_attr& attr);
int RefuseBatches(int command, const bpf_attr& attr);

}  // namespace ciliumcore::testing

#endif  // CILIUMCORE_TESTS_SUPPORT_REFUSING_KERNEL_H_
