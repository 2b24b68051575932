// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/policy/named_end.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace ciliumcore {
namespace {

constexpr size_t kSuggestions = 8;

// The pod once for each of its addresses.
void AppendPod(const CompiledCluster& cluster, uint32_t index,
               std::vector<NamedEnd>& ends) {
  const Pod& pod = cluster.cluster.pods[index];
  const size_t numbers = cluster.policy.peer_map->of_endpoint[index].size();
  for (size_t i = 0; i < numbers; ++i) {
    NamedEnd end;
    end.pod = index;
    end.name = pod.ToString();
    if (i < pod.addresses.size()) end.address = pod.addresses[i];
    end.party = cluster.policy.PartyOf(index, i);
    ends.push_back(std::move(end));
  }
}

std::vector<NamedEnd> EndsOfAddress(const CompiledCluster& cluster,
                                    const IpAddress& address) {
  NamedEnd end;
  end.address = address;
  end.party = cluster.policy.PartyOf(address);
  if (end.party.endpoint != kNoEndpoint) {
    end.pod = end.party.endpoint;
    end.name = cluster.cluster.pods[*end.pod].ToString();
  }
  return {end};
}

absl::Status NotFound(const CompiledCluster& cluster, absl::string_view ns,
                      absl::string_view text) {
  std::set<std::string> there;
  for (const Workload& workload : cluster.workloads) {
    if (workload.ns == ns) {
      there.insert(absl::StrCat(workload.ns, "/", workload.name));
    }
  }
  if (there.empty()) {
    return absl::NotFoundError(
        absl::StrCat("no pod or workload is named ", text,
                     ", and no pod is in the namespace ", ns));
  }
  const size_t count = there.size();
  auto end = there.begin();
  std::advance(end, std::min(kSuggestions, count));
  return absl::NotFoundError(
      absl::StrCat("no pod or workload is named ", text, "; there is ",
                   absl::StrJoin(there.begin(), end, ", "),
                   count > kSuggestions
                       ? absl::StrCat(" and ", count - kSuggestions, " more")
                       : ""));
}

}  // namespace

std::string NamedEnd::Name() const {
  return pod.has_value() ? name : address->ToString();
}

std::string NamedEnd::ToString() const {
  if (!pod.has_value() || !address.has_value()) return Name();
  return absl::StrCat(name, " (", address->ToString(), ")");
}

bool MayMeet(const NamedEnd& a, const NamedEnd& b) {
  return !a.address.has_value() || !b.address.has_value() ||
         a.address->is_v4() == b.address->is_v4();
}

absl::StatusOr<std::vector<NamedEnd>> FindNamedEnds(
    const CompiledCluster& cluster, absl::string_view text) {
  const size_t slash = text.find('/');
  if (slash == absl::string_view::npos) {
    absl::StatusOr<IpAddress> address = IpAddress::Parse(text);
    if (address.ok()) return EndsOfAddress(cluster, *address);
    return absl::InvalidArgumentError(absl::StrCat(
        "\"", text, "\" is neither an address nor namespace/name"));
  }
  const absl::string_view ns = text.substr(0, slash);
  const absl::string_view name = text.substr(slash + 1);
  const std::vector<Pod>& pods = cluster.cluster.pods;
  std::vector<NamedEnd> ends;
  for (uint32_t i = 0; i < pods.size(); ++i) {
    if (pods[i].ns == ns && pods[i].name == name) AppendPod(cluster, i, ends);
  }
  if (!ends.empty()) return ends;
  for (const Workload& workload : cluster.workloads) {
    if (workload.ns != ns) continue;
    if (workload.name != name && workload.ToString() != text) continue;
    for (uint32_t pod : workload.pods) AppendPod(cluster, pod, ends);
  }
  if (!ends.empty()) return ends;
  return NotFound(cluster, ns, text);
}

absl::StatusOr<uint16_t> PolicyPortOf(const PortProtocol& port) {
  if (port.protocol != Protocol::kIcmp && port.protocol != Protocol::kIcmpv6) {
    return port.port;
  }
  if (port.port > 0xff) {
    return absl::InvalidArgumentError(
        absl::StrCat(ProtocolName(port.protocol),
                     ": expected a type in 0..255, found ", port.port));
  }
  return IcmpPort(static_cast<uint8_t>(port.port));
}

}  // namespace ciliumcore
