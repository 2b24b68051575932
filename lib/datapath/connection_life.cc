// SPDX-License-Identifier: Apache-2.0
#include "lib/datapath/connection_life_internal.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <cerrno>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "ciliumcore/base/unique_fd.h"
#include "lib/base/status_macros_internal.h"
#include "lib/datapath/config_internal.h"
#include "lib/datapath/kernel_status_internal.h"
#include "lib/datapath/map_reader_internal.h"
#include "lib/datapath/pins_internal.h"

namespace ciliumcore::internal {
namespace {

// As the programs were loaded with.
absl::StatusOr<cc_config> ConfigOfProgram(const std::string& path) {
  const UniqueFd fd = Pins::Get(path);
  if (fd.get() < 0) return absl::ErrnoToStatus(errno, path);
  bpf_prog_info info = {};
  __u32 bytes = sizeof(info);
  if (bpf_obj_get_info_by_fd(fd.get(), &info, &bytes) != 0)
    return absl::ErrnoToStatus(errno, path);
  CC_ASSIGN_OR_RETURN(const KernelProgram program, FindProgram(info.id));
  for (const uint32_t id : program.maps) {
    CC_ASSIGN_OR_RETURN(const MapReader map, MapReader::OpenId(id));
    cc_config config = {};
    if (map.name() != ".rodata.config" || map.value_bytes() != sizeof(config))
      continue;
    const uint32_t zero = 0;
    CC_RETURN_IF_ERROR(map.Lookup(&zero, &config));
    return config;
  }
  return absl::NotFoundError(absl::StrCat(path, ": no configuration"));
}

// The kernel tells its jiffies to programs alone.
absl::StatusOr<uint32_t> TicksNow(uint32_t clock_shift) {
  const auto code = [](int what, int to, int value) {
    return bpf_insn{.code = static_cast<__u8>(what),
                    .dst_reg = static_cast<__u8>(to & 0xf),
                    .src_reg = 0,
                    .off = 0,
                    .imm = value};
  };
  const bpf_insn program[] = {code(BPF_JMP | BPF_CALL, 0, BPF_FUNC_jiffies64),
                              code(BPF_ALU64 | BPF_RSH | BPF_K, BPF_REG_0,
                                   static_cast<int>(clock_shift & 31)),
                              code(BPF_JMP | BPF_EXIT, 0, 0)};
  LIBBPF_OPTS(bpf_prog_load_opts, options, .prog_flags = BPF_F_SLEEPABLE);
  const UniqueFd fd(bpf_prog_load(BPF_PROG_TYPE_SYSCALL, "cc_clock", "GPL",
                                  program, std::size(program), &options));
  if (fd.get() < 0) return absl::ErrnoToStatus(errno, "reading the clock");
  LIBBPF_OPTS(bpf_test_run_opts, run);
  if (bpf_prog_test_run_opts(fd.get(), &run) != 0)
    return absl::ErrnoToStatus(errno, "reading the clock");
  return run.retval;
}

}  // namespace

absl::StatusOr<ConnectionLife> ConnectionLife::Of(
    const std::string& directory) {
  CC_ASSIGN_OR_RETURN(
      const cc_config config,
      ConfigOfProgram(Pins::ProgramPathIn(absl::StrCat(directory, "/state"),
                                          "cc_from_endpoint")));
  CC_ASSIGN_OR_RETURN(const uint32_t now, TicksNow(config.clock_shift));
  return ConnectionLife(config, now);
}

bool ConnectionLife::IsLive(const cc_ct_key& key, const cc_ct& record) const {
  return record.word >> CC_CT_CHECK_SHIFT == cc_ct_check(&key) &&
         cc_ct_is_expired(&config_, record.word, key.protocol,
                          now_ - record.seen) == 0;
}

absl::Duration ConnectionLife::SilenceOf(const cc_ct& record) const {
  const auto age = static_cast<int32_t>(now_ - record.seen);
  return absl::Seconds(std::max(age, 0) * TickSeconds());
}

}  // namespace ciliumcore::internal
