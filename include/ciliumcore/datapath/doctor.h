// SPDX-License-Identifier: Apache-2.0

// What on a machine keeps a datapath from working, or from working well.

#ifndef CILIUMCORE_DATAPATH_DOCTOR_H_
#define CILIUMCORE_DATAPATH_DOCTOR_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace ciliumcore {

enum class Severity {
  kOk,       // looked at, and as it should be
  kNote,     // worth knowing; nothing to do
  kWarning,  // something works less well, or a part that is optional does not
  kError,    // something that the library needs is missing
};

// "ok", "note", "warning" or "error".
absl::string_view SeverityName(Severity severity);

struct Finding {
  Severity severity = Severity::kOk;
  std::string subject;  // "jit"
  std::string
      found;  // "net.core.bpf_jit_enable is 0: programs are interpreted"
  std::string remedy;  // a line that can be typed, where there is one
};

struct DoctorOptions {
  // Its instances are looked at too.
  std::string bpffs = "/sys/fs/bpf";
  // As DatapathOptions::cgroup; beside those of the instances. Empty: where
  // cgroup2 is mounted.
  std::string cgroup = {};
  // Beside those of the instances' endpoints: interfaces whose other programs
  // are looked for.
  std::vector<std::string> interfaces = {};
  // Where files are read from. Tests give trees of their own.
  std::string proc = "/proc";
  std::string sys = "/sys";
  // Ask the kernel itself: features, programs on hooks, instances. Without it,
  // only files are read.
  bool asks_kernel = true;
};

// Looks at everything, in the calling thread's network namespace; changes
// nothing, but loads and closes what tells of a feature. What cannot be read is
// a finding. Thread-safe.
std::vector<Finding> Diagnose(const DoctorOptions& options = {});

}  // namespace ciliumcore

#endif  // CILIUMCORE_DATAPATH_DOCTOR_H_
