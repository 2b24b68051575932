// SPDX-License-Identifier: Apache-2.0

// What libbpf says when it refuses.

#ifndef CILIUMCORE_LIB_DATAPATH_LIBBPF_LOG_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_LIBBPF_LOG_INTERNAL_H_

#include <bpf/libbpf.h>

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace ciliumcore::internal {

// While it lives, keeps what libbpf would print, for the error.
class LibbpfLog {
 public:
  LibbpfLog();
  ~LibbpfLog();
  LibbpfLog(const LibbpfLog&) = delete;
  LibbpfLog& operator=(const LibbpfLog&) = delete;

 private:
  libbpf_print_fn_t previous_;
};

// `doing` failed with `error`: with the cause that libbpf or the kernel's
// features tell. PermissionDenied, ResourceExhausted, Unimplemented, or as the
// errno says.
absl::Status LoadError(absl::string_view doing, int error);

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_LIBBPF_LOG_INTERNAL_H_
