// SPDX-License-Identifier: Apache-2.0
#include "ciliumcore/datapath/doctor.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "ciliumcore/datapath/features.h"
#include "lib/datapath/doctor_internal.h"

namespace ciliumcore {
namespace internal {
namespace {

std::optional<std::string> ReadText(const std::string& path) {
  std::ifstream file(path);
  if (!file) return std::nullopt;
  std::stringstream text;
  text << file.rdbuf();
  return std::string(absl::StripAsciiWhitespace(text.str()));
}

void LookAtCapabilities(const std::string& proc, Findings& findings) {
  constexpr struct {
    int bit;
    const char* name;
  } kWanted[] = {{39, "CAP_BPF"}, {12, "CAP_NET_ADMIN"}};
  constexpr int kSysAdmin = 21;
  const std::optional<std::string> status = ReadText(proc + "/self/status");
  uint64_t effective = 0;
  bool told = false;
  for (const absl::string_view line :
       absl::StrSplit(status.value_or(""), '\n')) {
    const std::vector<absl::string_view> words =
        absl::StrSplit(line, absl::ByAnyChar(":\t "), absl::SkipEmpty());
    if (words.size() == 2 && words[0] == "CapEff")
      told = absl::SimpleHexAtoi(words[1], &effective);
  }
  if (!told) {
    findings.push_back({Severity::kWarning, "capabilities",
                        absl::StrCat(proc, "/self/status does not tell them"),
                        "mount -t proc proc /proc"});
    return;
  }
  bool all = true;
  for (const auto& [bit, name] : kWanted) {
    const bool implied = bit == 39 && (effective >> kSysAdmin & 1) != 0;
    if ((effective >> bit & 1) != 0 || implied) continue;
    all = false;
    findings.push_back(
        {Severity::kError, "capabilities",
         absl::StrCat("this process lacks ", name),
         "run as root, or: setcap cap_bpf,cap_net_admin+ep FILE"});
  }
  if (all)
    findings.push_back(
        {Severity::kOk, "capabilities", "CAP_BPF and CAP_NET_ADMIN", ""});
}

void LookAtMounts(const DoctorOptions& options, Findings& findings) {
  const std::vector<std::string> bpf = MountsOf(options.proc, "bpf");
  if (std::find(bpf.begin(), bpf.end(), options.bpffs) != bpf.end()) {
    findings.push_back({Severity::kOk, "bpffs",
                        absl::StrCat("mounted at ", options.bpffs), ""});
  } else {
    findings.push_back(
        {Severity::kWarning, "bpffs",
         absl::StrCat("no bpf file system is mounted at ", options.bpffs,
                      ": instances cannot outlive their process"),
         absl::StrCat("mount -t bpf bpf ", options.bpffs)});
  }
  const std::vector<std::string> cgroups = MountsOf(options.proc, "cgroup2");
  if (!cgroups.empty()) {
    findings.push_back({Severity::kOk, "cgroup2",
                        absl::StrCat("mounted at ", cgroups.front()), ""});
  } else {
    findings.push_back({Severity::kWarning, "cgroup2",
                        "not mounted: there is nothing to attach services to",
                        "mount -t cgroup2 cgroup2 /sys/fs/cgroup"});
  }
}

// Before Linux 5.11 maps counted against a limit on locked memory.
void LookAtMemory(const std::string& proc, Findings& findings) {
  KernelVersion version;
  const std::vector<std::string> release = absl::StrSplit(
      ReadText(proc + "/sys/kernel/osrelease").value_or(""), '.');
  if (release.size() < 2 || !absl::SimpleAtoi(release[0], &version.major) ||
      !absl::SimpleAtoi(
          release[1].substr(0, release[1].find_first_not_of("0123456789")),
          &version.minor)) {
    findings.push_back(
        {Severity::kWarning, "memory", "the kernel's release is not told", ""});
    return;
  }
  if (version >= KernelVersion{5, 11}) {
    findings.push_back({Severity::kOk, "memory",
                        "maps are charged to the process's memory cgroup", ""});
    return;
  }
  for (const absl::string_view line :
       absl::StrSplit(ReadText(proc + "/self/limits").value_or(""), '\n')) {
    const std::vector<absl::string_view> words =
        absl::StrSplit(line, ' ', absl::SkipEmpty());
    if (words.size() < 4 || words[1] != "locked" || words[3] == "unlimited")
      continue;
    findings.push_back(
        {Severity::kError, "memory",
         absl::StrCat("maps count against RLIMIT_MEMLOCK, which is ", words[3],
                      " bytes"),
         "ulimit -l unlimited"});
  }
}

void LookAtSysctl(const std::string& proc, Findings& findings) {
  const auto value = [&](const char* path) {
    return ReadText(absl::StrCat(proc, "/sys/", path));
  };
  const std::optional<std::string> jit = value("net/core/bpf_jit_enable");
  if (jit == "0") {
    findings.push_back(
        {Severity::kWarning, "jit",
         "net.core.bpf_jit_enable is 0: programs are interpreted",
         "sysctl -w net.core.bpf_jit_enable=1"});
  } else {
    findings.push_back({Severity::kOk, "jit",
                        jit.has_value()
                            ? absl::StrCat("net.core.bpf_jit_enable is ", *jit)
                            : "net.core.bpf_jit_enable cannot be read",
                        ""});
  }
  const std::optional<std::string> harden = value("net/core/bpf_jit_harden");
  if (harden.has_value() && *harden == "2") {
    findings.push_back(
        {Severity::kNote, "jit",
         "net.core.bpf_jit_harden is 2: constants are blinded for root too, "
         "which costs time in each packet",
         "sysctl -w net.core.bpf_jit_harden=1"});
  }
  if (value("kernel/bpf_stats_enabled") == "1") {
    findings.push_back({Severity::kNote, "statistics",
                        "kernel.bpf_stats_enabled is 1: each run of a program "
                        "takes two readings of the clock more",
                        "sysctl -w kernel.bpf_stats_enabled=0"});
  }
  // The stack takes packets for other nodes, and for those without next hops.
  for (const auto& [path, key] :
       {std::pair("net/ipv4/ip_forward", "net.ipv4.ip_forward"),
        std::pair("net/ipv6/conf/all/forwarding",
                  "net.ipv6.conf.all.forwarding")}) {
    const std::optional<std::string> forwards = value(path);
    if (!forwards.has_value()) continue;
    if (*forwards != "0") {
      findings.push_back(
          {Severity::kOk, "forwarding", absl::StrCat(key, " is on"), ""});
      continue;
    }
    findings.push_back(
        {Severity::kWarning, "forwarding",
         absl::StrCat(key,
                      " is 0: the stack forwards no packet of an endpoint "
                      "to another node"),
         absl::StrCat("sysctl -w ", key, "=1")});
  }
  if (value("net/ipv4/conf/all/rp_filter") == "1") {
    findings.push_back(
        {Severity::kNote, "rp_filter",
         "net.ipv4.conf.all.rp_filter is 1: the stack drops what an endpoint "
         "sends unless the route to its address is by its interface",
         "sysctl -w net.ipv4.conf.all.rp_filter=2"});
  }
}

// Who else handles pods' packets. By the names of processes: cheap, and enough
// to ask further.
void LookAtOthers(const DoctorOptions& options, Findings& findings) {
  std::error_code error;
  for (const auto& entry :
       std::filesystem::directory_iterator(options.proc, error)) {
    const std::string pid = entry.path().filename().string();
    if (pid.empty() || !absl::ascii_isdigit(static_cast<uint8_t>(pid[0])))
      continue;
    const std::string name =
        ReadText(entry.path().string() + "/comm").value_or("");
    if (name == "cilium-agent") {
      findings.push_back(
          {Severity::kWarning, "cilium",
           absl::StrCat("cilium-agent runs as process ", pid,
                        ": it attaches to the interfaces of pods and to the "
                        "root cgroup"),
           "take the node out of Cilium first, or give the datapath interfaces "
           "and a cgroup that Cilium has not"});
    } else if (name == "kube-proxy") {
      findings.push_back(
          {Severity::kNote, "kube-proxy",
           absl::StrCat("kube-proxy runs as process ", pid,
                        ": sockets of the datapath's cgroup do not reach its "
                        "rules for services that both know"),
           ""});
    }
  }
}

}  // namespace

std::vector<std::string> MountsOf(const std::string& proc,
                                  const std::string& type) {
  std::vector<std::string> paths;
  std::ifstream table(proc + "/self/mountinfo");
  for (std::string line; std::getline(table, line);) {
    // "36 35 98:0 / /sys/fs/bpf rw,relatime shared:1 - bpf bpf rw"
    const std::vector<std::string> words =
        absl::StrSplit(line, ' ', absl::SkipEmpty());
    const auto dash = std::find(words.begin(), words.end(), "-");
    if (words.size() > 4 && dash != words.end() && dash + 1 != words.end() &&
        dash[1] == type)
      paths.push_back(words[4]);
  }
  return paths;
}

void LookAtFiles(const DoctorOptions& options, Findings& findings) {
  LookAtCapabilities(options.proc, findings);
  LookAtMounts(options, findings);
  const std::string btf = options.sys + "/kernel/btf/vmlinux";
  if (std::error_code error; std::filesystem::exists(btf, error)) {
    findings.push_back({Severity::kOk, "btf", "the kernel has its types", ""});
  } else {
    findings.push_back({Severity::kError, "btf",
                        absl::StrCat(btf,
                                     " is missing: the kernel was built "
                                     "without its types"),
                        "boot a kernel with CONFIG_DEBUG_INFO_BTF=y"});
  }
  LookAtMemory(options.proc, findings);
  LookAtSysctl(options.proc, findings);
  const std::string quiet =
      ReadText(options.sys + "/devices/system/cpu/nohz_full").value_or("");
  if (!quiet.empty() && quiet != "(null)") {
    findings.push_back(
        {Severity::kNote, "nohz_full",
         absl::StrCat("CPUs ", quiet,
                      " run without ticks, so the kernel refuses "
                      "membarrier(MEMBARRIER_CMD_GLOBAL): changes wait by "
                      "updating a map of maps"),
         ""});
  }
  LookAtOthers(options, findings);
}

}  // namespace internal

absl::string_view SeverityName(Severity severity) {
  switch (severity) {
    case Severity::kOk:
      return "ok";
    case Severity::kNote:
      return "note";
    case Severity::kWarning:
      return "warning";
    case Severity::kError:
      return "error";
  }
  return "";
}

std::vector<Finding> Diagnose(const DoctorOptions& options) {
  std::vector<Finding> findings;
  if (options.asks_kernel) internal::LookAtFeatures(findings);
  internal::LookAtFiles(options, findings);
  if (options.asks_kernel) {
    internal::LookAtInstances(options, findings);
    internal::LookAtHooks(options, findings);
  }
  return findings;
}

}  // namespace ciliumcore
