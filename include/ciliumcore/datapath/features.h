// SPDX-License-Identifier: Apache-2.0

// What the datapath uses of a kernel, since when kernels have it, and what is
// done without.

#ifndef CILIUMCORE_DATAPATH_FEATURES_H_
#define CILIUMCORE_DATAPATH_FEATURES_H_

#include <compare>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace ciliumcore {

enum class KernelFeature : uint8_t {
  kMembarrier,
  kBoundedLoops,
  kMappedArrays,
  kJiffies,
  kMapBatches,
  kRingBuffer,
  kRedirectNeighbor,
  kRedirectPeer,
  kCoarseClock,
  kAtomics,
  kSockDestroy,
  kTcx,
};

// A release of Linux.
struct KernelVersion {
  int major = 0, minor = 0;
  friend auto operator<=>(KernelVersion, KernelVersion) = default;
};

struct KernelFeatureInfo {
  KernelFeature feature;
  bool is_required = false;   // Datapath::Open fails without
  KernelVersion since;        // upstream; distributions may have it earlier
  absl::string_view name;     // the field's: "bpf_redirect_peer"
  absl::string_view purpose;  // what the datapath does with it
  absl::string_view without;  // what it does instead; empty if it is required
};

// Every feature, by the release that brought it.
absl::Span<const KernelFeatureInfo> KernelFeatures();

// True if the running kernel has `feature`: tried, not told by its version.
// PermissionDenied without CAP_BPF and CAP_NET_ADMIN. Thread-safe; one or two
// system calls, but kSockDestroy, which reads the kernel's own types (tens of
// milliseconds).
absl::StatusOr<bool> HasKernelFeature(KernelFeature feature);

// Unimplemented, naming every required feature that the running kernel lacks;
// OK if it lacks none; PermissionDenied as above.
absl::Status CheckKernelFeatures();

// Of the running kernel. Thread-safe.
KernelVersion RunningKernel();

}  // namespace ciliumcore

#endif  // CILIUMCORE_DATAPATH_FEATURES_H_
