// SPDX-License-Identifier: Apache-2.0
#include "lib/datapath/libbpf_log_internal.h"

#include <cerrno>
#include <cstdarg>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "ciliumcore/datapath/features.h"

namespace ciliumcore::internal {
namespace {

thread_local std::string text;

int Print(libbpf_print_level level, const char* format, va_list arguments) {
  if (level == LIBBPF_DEBUG) return 0;
  char line[4096];
  vsnprintf(line, sizeof(line), format, arguments);
  text += line;
  return 0;
}

// The end of it, which is where the cause is.
std::string Tail() {
  constexpr size_t kTail = 1500;
  absl::string_view tail = text;
  if (tail.size() > kTail) tail.remove_prefix(tail.size() - kTail);
  return std::string(absl::StripSuffix(tail, "\n"));
}

}  // namespace

LibbpfLog::LibbpfLog() : previous_(libbpf_set_print(&Print)) { text.clear(); }
LibbpfLog::~LibbpfLog() { libbpf_set_print(previous_); }

absl::Status LoadError(absl::string_view doing, int error) {
  if (error == EPERM) {
    return absl::PermissionDeniedError(absl::StrCat(
        doing, ": the kernel wants CAP_BPF and CAP_NET_ADMIN (or root)"));
  }
  if (error == ENOMEM) {
    return absl::ResourceExhaustedError(
        absl::StrCat(doing, ": out of memory: ", Tail()));
  }
  // An older kernel answers with an errno that tells nothing.
  const std::string log = Tail();
  if (absl::Status lacks = CheckKernelFeatures(); !lacks.ok()) return lacks;
  return absl::ErrnoToStatus(error, absl::StrCat(doing, ": ", log));
}

}  // namespace ciliumcore::internal
