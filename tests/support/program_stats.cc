// SPDX-License-Identifier: Apache-2.0

#include "tests/support/program_stats.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/utsname.h>

#include <cerrno>
#include <cstdarg>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "ciliumcore/abi/config.h"

namespace ciliumcore::testing {
namespace {

constexpr size_t kLogBytes = 1 << 16;
constexpr uint32_t kLogStatistics = 4;  // BPF_LOG_STATS
constexpr size_t kLastWords = 1500;

struct ObjectCloser {
  void operator()(bpf_object* object) const { bpf_object__close(object); }
};

// Of "/dir/endpoint.bpf.o".
std::string ObjectName(absl::string_view path) {
  path.remove_prefix(path.rfind('/') + 1);
  return std::string(path.substr(0, path.find(".bpf.o")));
}

void SwitchEverythingOn(bpf_object* object) {
  const bpf_map* map = bpf_object__find_map_by_name(object, ".rodata.config");
  if (map == nullptr || bpf_map__value_size(map) != sizeof(cc_config)) return;
  cc_config config = {};
  config.clock_shift = 8;
  config.ticks_tcp = 8000;
  config.ticks_syn = config.ticks_any = 60;
  config.ticks_close = 10;
  config.event_wake_bytes = 256 << 10;
  config.emit_new = config.emit_drops = 1;
  config.forward = CC_FORWARD_FIB;
  config.audit_only = 1;
  config.emit_end = 1;
  config.emit_verdicts = 1;
  config.drop_sample_shift = 4;
  bpf_map__set_initial_value(const_cast<bpf_map*>(map), &config,
                             sizeof(config));
}

// The sum of the numbers in "stack depth 312+0".
uint32_t StackDepth(absl::string_view log) {
  constexpr absl::string_view kBefore = "stack depth ";
  const size_t at = log.find(kBefore);
  if (at == absl::string_view::npos) return 0;
  log.remove_prefix(at + kBefore.size());
  uint32_t sum = 0;
  for (const absl::string_view part :
       absl::StrSplit(log.substr(0, log.find('\n')), '+')) {
    uint32_t depth = 0;
    if (absl::SimpleAtoi(part, &depth)) sum += depth;
  }
  return sum;
}

std::string LastWords(absl::string_view log) {
  if (log.size() > kLastWords) log.remove_prefix(log.size() - kLastWords);
  return std::string(log);
}

// Statistics of a program that is loaded would be printed as a warning.
int Quiet(libbpf_print_level, const char*, va_list) { return 0; }

class QuietLibbpf {
 public:
  QuietLibbpf() : previous_(libbpf_set_print(Quiet)) {}
  ~QuietLibbpf() { libbpf_set_print(previous_); }
  QuietLibbpf(const QuietLibbpf&) = delete;
  QuietLibbpf& operator=(const QuietLibbpf&) = delete;

 private:
  libbpf_print_fn_t previous_;
};

}  // namespace

absl::StatusOr<std::vector<ProgramStats>> MeasurePrograms(
    const std::string& path) {
  const QuietLibbpf quiet;
  std::unique_ptr<bpf_object, ObjectCloser> object(
      bpf_object__open_file(path.c_str(), nullptr));
  if (object == nullptr) return absl::ErrnoToStatus(errno, path);
  SwitchEverythingOn(object.get());

  std::vector<std::unique_ptr<char[]>> logs;
  bpf_program* program;
  bpf_object__for_each_program(program, object.get()) {
    logs.push_back(std::make_unique<char[]>(kLogBytes));
    bpf_program__set_log_level(program, kLogStatistics);
    bpf_program__set_log_buf(program, logs.back().get(), kLogBytes);
  }
  if (bpf_object__load(object.get()) != 0) {
    const int error = errno;
    std::string words = path;
    for (const auto& log : logs) absl::StrAppend(&words, "\n", log.get());
    return absl::ErrnoToStatus(error, LastWords(words));
  }

  std::vector<ProgramStats> all;
  bpf_object__for_each_program(program, object.get()) {
    bpf_prog_info info = {};
    __u32 bytes = sizeof(info);
    if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &bytes) != 0)
      return absl::ErrnoToStatus(errno, bpf_program__name(program));
    all.push_back({.object = ObjectName(path),
                   .program = bpf_program__name(program),
                   .instructions = info.verified_insns,
                   .stack = StackDepth(logs[all.size()].get()),
                   .jited_bytes = info.jited_prog_len});
  }
  return all;
}

std::string KernelSeries() {
  utsname name = {};
  uname(&name);
  const std::vector<absl::string_view> parts =
      absl::StrSplit(name.release, absl::MaxSplits('.', 2));
  return parts.size() < 2 ? name.release
                          : absl::StrCat(parts[0], ".", parts[1]);
}

}  // namespace ciliumcore::testing
