// SPDX-License-Identifier: Apache-2.0

#include "lib/policy/name_openings_internal.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lib/policy/address_arithmetic_internal.h"
#include "lib/policy/compiled_cluster_internal.h"
#include "lib/policy/dns_match_internal.h"
#include "lib/policy/meanings_internal.h"
#include "lib/policy/outside_ranges_internal.h"

namespace ciliumcore {
namespace {

using NameOpening = PolicyDiff::NameOpening;

// Names and patterns of policies, in lower case.
struct Written {
  std::set<std::string> names;
  std::set<std::string> patterns;  // of Cilium
  std::set<std::string> domains;   // "*.x" of the policies of the cluster
};

void Collect(const Cluster& cluster, Written& written) {
  for (const CiliumPolicy& policy : cluster.cilium_policies) {
    for (const CiliumSpec& spec : policy.specs) {
      for (const CiliumRule& rule : spec.egress) {
        if (!rule.peers.has_value()) continue;
        for (const DnsMatch& match : rule.peers->fqdns) {
          (match.name.empty() ? written.patterns : written.names)
              .insert(CanonicalDnsName(match.name.empty() ? match.pattern
                                                          : match.name));
        }
      }
    }
  }
  for (const ClusterPolicy& policy : cluster.cluster_policies) {
    for (const ClusterRule& rule : policy.egress) {
      for (const ClusterPeer& peer : rule.peers) {
        const auto* domains = std::get_if<DomainPeers>(&peer);
        if (domains == nullptr) continue;
        for (const std::string& name : domains->names) {
          const std::string domain = CanonicalDnsName(name);
          (absl::StartsWith(domain, "*.") ? written.domains : written.names)
              .insert(domain);
        }
      }
    }
  }
}

// Names that stand for all that policies mean, each with what was written for
// it. A text of a letter that nobody wrote is in the place of each star: what
// has it for one star of its own would have any other, too. Where a star is
// several labels, there is a name for each number of them up to one more than
// anybody wrote.
class Representatives {
 public:
  explicit Representatives(const Written& written) {
    const std::string filler = Unwritten(written);
    size_t most_labels = 1;
    for (const auto* texts :
         {&written.names, &written.patterns, &written.domains}) {
      for (const std::string& text : *texts) {
        most_labels = std::max<size_t>(
            most_labels, std::count(text.begin(), text.end(), '.') + 1);
      }
    }
    for (const std::string& name : written.names) Add(name, name);
    const auto add_labels = [&](const std::string& suffix,
                                const std::string& text) {
      std::string labels = filler;
      for (size_t i = 0; i <= most_labels; ++i) {
        Add(absl::StrCat(labels, suffix), text);
        absl::StrAppend(&labels, ".", filler);
      }
    };
    for (const std::string& domain : written.domains) {
      add_labels(domain.substr(1), domain);
    }
    for (const std::string& pattern : written.patterns) {
      const size_t stars =
          std::min(pattern.find_first_not_of('*'), pattern.size());
      const bool leads_labels =
          stars == pattern.size() || (stars > 1 && pattern[stars] == '.');
      std::string rest;
      for (const char c : pattern.substr(leads_labels ? stars : 0)) {
        if (c == '*') {
          rest += filler;
        } else {
          rest += c;
        }
      }
      if (leads_labels) {
        add_labels(rest, pattern);
      } else {
        Add(rest, pattern);
      }
    }
  }

  const std::map<std::string, std::string>& names() const { return names_; }

 private:
  static std::string Unwritten(const Written& written) {
    for (const char c : absl::string_view("zqxjkvwybghpfmucldrsniotae"
                                          "0123456789")) {
      const auto has = [c](const std::set<std::string>& texts) {
        return std::any_of(texts.begin(), texts.end(),
                           [c](const std::string& text) {
                             return text.find(c) != std::string::npos;
                           });
      };
      if (!has(written.names) && !has(written.patterns) &&
          !has(written.domains)) {
        return std::string(1, c);
      }
    }
    return "no-name-that-anybody-wrote";
  }

  void Add(const std::string& name, const std::string& text) {
    names_.try_emplace(name, text);
  }

  std::map<std::string, std::string> names_;
};

// Ranges of addresses of which neither side tells one from the other.
using Alike = std::vector<AddressRange>;

std::vector<Alike> KindsOfOutside(const CompiledCluster& before,
                                  const CompiledCluster& after) {
  Meanings meanings;
  const MeaningTables old_tables(before.policy, meanings);
  const MeaningTables new_tables(after.policy, meanings);
  std::vector<Alike> kinds;
  for (const bool is_v4 : {true, false}) {
    std::map<std::pair<uint32_t, uint32_t>, Alike> by_columns;
    for (const OutsidePart& part : OutsideParts({&before, &after}, is_v4)) {
      if (part.is_known) continue;
      by_columns[{old_tables.ColumnOf(PeerOf(part, before.policy)),
                  new_tables.ColumnOf(PeerOf(part, after.policy))}]
          .push_back(part.range);
    }
    for (auto& [columns, ranges] : by_columns) {
      kinds.push_back(std::move(ranges));
    }
  }
  return kinds;
}

// Calls `visit` with addresses of the ranges that nobody has, until it says
// that it needs no more.
template <typename Visit>
void ForEachFree(const Alike& ranges, const std::set<IpAddress>& taken,
                 const Visit& visit) {
  for (const AddressRange& range : ranges) {
    std::optional<IpAddress> next = range.first;
    for (; next.has_value() && *next <= range.last; next = Successor(*next)) {
      if (!taken.contains(*next) && !visit(*next)) return;
    }
  }
}

std::vector<NameOpening> NotCompared(const CompiledCluster& after) {
  std::vector<NameOpening> openings;
  for (const PolicyRef& policy : PoliciesWithNames(after.cluster)) {
    openings.push_back({.policy = policy});
  }
  return openings;
}

}  // namespace

std::vector<NameOpening> NameOpenings(const CompiledCluster& before,
                                      const CompiledCluster& after) {
  const std::vector<PolicyRef> with_names = PoliciesWithNames(after.cluster);
  if (with_names.empty()) return {};
  Written written;
  Collect(before.cluster, written);
  Collect(after.cluster, written);
  const Representatives representatives(written);

  std::set<IpAddress> taken = TakenAddresses(before.cluster);
  taken.merge(TakenAddresses(after.cluster));
  std::map<std::string, std::vector<IpAddress>> addresses;
  std::map<IpAddress, const std::string*> written_of;
  // Where there are too few, those get one that come next.
  auto next = representatives.names().begin();
  for (const Alike& ranges : KindsOfOutside(before, after)) {
    size_t left = representatives.names().size();
    ForEachFree(ranges, taken, [&](const IpAddress& address) {
      const auto& [name, text] = *next;
      addresses[name].push_back(address);
      written_of[address] = &text;
      if (++next == representatives.names().end()) {
        next = representatives.names().begin();
      }
      return --left != 0;
    });
  }
  std::vector<ResolvedName> names;
  for (auto& [name, of_name] : addresses) names.push_back({name, of_name});
  const absl::StatusOr<CompiledCluster> named_before =
      CompileWithNames(before, names);
  const absl::StatusOr<CompiledCluster> named_after =
      CompileWithNames(after, std::move(names));
  if (!named_before.ok() || !named_after.ok()) return NotCompared(after);

  const PolicyDiff diff = DiffWithoutNames(*named_before, *named_after);
  std::map<std::pair<PolicyRef, std::string>, std::string> found;
  for (const PolicyDiff::Change& change : diff.changes) {
    if (change.destination < diff.workloads.size()) continue;
    if (change.kind != PolicyDiff::Kind::kOpens && !LeavesProxy(change)) {
      continue;
    }
    const RuleSet* set = diff.FindRuleSet(change.after->egress.rule_set);
    if (set == nullptr) continue;
    const AddressRange& range =
        diff.ranges[change.destination - diff.workloads.size()];
    for (auto at = written_of.lower_bound(range.first);
         at != written_of.end() && at->first <= range.last; ++at) {
      if (at->first.is_v4() != range.first.is_v4()) continue;
      for (const RuleRef& rule : set->rules) {
        const PolicyRef policy = {rule.kind, rule.ns, rule.name};
        if (std::binary_search(with_names.begin(), with_names.end(), policy)) {
          found.try_emplace({policy, *at->second}, change.source_example);
        }
      }
    }
  }
  std::vector<NameOpening> openings;
  for (const auto& [opening, source] : found) {
    openings.push_back({opening.first, opening.second, source});
  }
  return openings;
}

}  // namespace ciliumcore
