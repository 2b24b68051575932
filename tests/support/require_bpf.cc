// SPDX-License-Identifier: Apache-2.0

#include "tests/support/require_bpf.h"

#include <bpf/bpf.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include "ciliumcore/base/unique_fd.h"

namespace ciliumcore::testing {

void RequireBpf() {
  // A trie, because some kernels give arrays and hashes to anybody.
  LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_NO_PREALLOC);
  const UniqueFd probe(
      bpf_map_create(BPF_MAP_TYPE_LPM_TRIE, "cc_probe", 8, 4, 1, &options));
  if (probe.valid()) return;
  const std::string why = std::string("bpf(2) is refused, it needs CAP_BPF: ") +
                          std::strerror(errno);
  const char* ci = std::getenv("CI");
  if (ci != nullptr && std::string(ci) == "true") {
    FAIL() << why;
  }
  GTEST_SKIP() << why;
}

}  // namespace ciliumcore::testing
