// SPDX-License-Identifier: Apache-2.0

// What `ccore lab` says of a lab and of its probes.

#include <algorithm>
#include <iostream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "nlohmann/json.hpp"
#include "tools/ccore/command.h"
#include "tools/ccore/lab.h"
#include "tools/ccore/lab_commands.h"

namespace ciliumcore::ccore {
namespace {

using Json = nlohmann::ordered_json;

// As large as a grid may be to fit a terminal.
constexpr size_t kGridHosts = 16;

std::string Addresses(const LabHost& host) {
  return absl::StrJoin(host.addresses, " ",
                       [](std::string* out, const IpAddress& address) {
                         out->append(address.ToString());
                       });
}

// "app=web,tier=front".
std::string LabelsText(const Labels& labels) {
  return absl::StrJoin(labels, ",", [](std::string* out, const Label& label) {
    absl::StrAppend(out, label.key, "=", label.value);
  });
}

// What became of the probes between two hosts.
struct PairResult {
  size_t reached = 0, total = 0, disagree = 0;

  // "all", ".", "2/6", with a mark if the compiler says otherwise.
  std::string Text() const {
    std::string text = reached == total ? "all"
                       : reached == 0   ? "."
                                        : absl::StrCat(reached, "/", total);
    return disagree == 0 ? text : text + "!";
  }
};

using PairResults = std::map<std::pair<size_t, size_t>, PairResult>;

PairResults ByPair(const std::vector<LabProbe>& probes) {
  PairResults pairs;
  for (const LabProbe& probe : probes) {
    if (!probe.destination.has_value()) continue;
    PairResult& pair = pairs[{probe.source, *probe.destination}];
    ++pair.total;
    pair.reached += probe.probe.reached;
    pair.disagree += !probe.agrees();
  }
  return pairs;
}

void PrintMatrix(const RunningLab& lab, const PairResults& pairs) {
  const std::vector<LabHost>& hosts = lab.lab().hosts();
  std::vector<std::vector<std::string>> rows;
  if (hosts.size() <= kGridHosts) {
    rows.push_back({"FROM \\ TO"});
    for (size_t i = 0; i < hosts.size(); ++i) {
      rows[0].push_back(absl::StrCat(i + 1));
    }
    for (size_t from = 0; from < hosts.size(); ++from) {
      rows.push_back({absl::StrCat(from + 1, " ", hosts[from].name)});
      for (size_t to = 0; to < hosts.size(); ++to) {
        auto found = pairs.find({from, to});
        rows.back().push_back(found == pairs.end() ? "" : found->second.Text());
      }
    }
  } else {
    rows.push_back({"FROM", "TO", "REACHED"});
    for (const auto& [ends, pair] : pairs) {
      if (pair.reached == 0 && pair.disagree == 0) continue;
      rows.push_back(
          {hosts[ends.first].name, hosts[ends.second].name, pair.Text()});
    }
  }
  std::cout << TextTable(rows) << "\n";
}

std::string DestinationOf(const RunningLab& lab, const LabProbe& probe) {
  return probe.destination.has_value()
             ? lab.lab().hosts()[*probe.destination].name
             : absl::StrCat("service ", lab.services()[*probe.service].name);
}

// The pod that has the address, or else the address.
std::string PodAt(const RunningLab& lab, const IpAddress& address) {
  for (const LabHost& host : lab.lab().hosts()) {
    if (std::find(host.addresses.begin(), host.addresses.end(), address) !=
        host.addresses.end())
      return host.name;
  }
  return address.ToString();
}

// "100 connects: shop/web-0 52, shop/web-1 48".
std::string SpreadText(const RunningLab& lab, const ServiceSpread& spread) {
  std::string text = absl::StrCat(spread.connects, " connects:");
  uint32_t failed = spread.connects;
  const char* comma = " ";
  for (const auto& [backend, count] : spread.answers) {
    absl::StrAppend(&text, comma, PodAt(lab, backend.address), " ", count);
    comma = ", ";
    failed -= count;
  }
  if (failed != 0) absl::StrAppend(&text, comma, "failed ", failed);
  return text;
}

// From how many pods each service is reached, and how it spreads.
void PrintServices(const RunningLab& lab, const std::vector<LabProbe>& probes,
                   const std::vector<ServiceSpread>& spreads) {
  if (lab.services().empty()) return;
  std::vector<std::vector<std::string>> rows = {
      {"SERVICE", "FRONTEND", "BACKENDS", "REACHED BY", "SPREAD"}};
  std::vector<PairResult> results(lab.services().size());
  for (const LabProbe& probe : probes) {
    if (!probe.service.has_value()) continue;
    PairResult& result = results[*probe.service];
    ++result.total;
    result.reached += probe.probe.reached;
    result.disagree += !probe.agrees();
  }
  for (size_t i = 0; i < results.size(); ++i) {
    const ServiceOptions& service = lab.services()[i];
    rows.push_back({service.name, service.frontend.ToString(),
                    absl::StrCat(service.backends.size()), results[i].Text(),
                    ""});
  }
  for (const ServiceSpread& spread : spreads)
    rows[spread.service + 1].back() = SpreadText(lab, spread);
  std::cout << TextTable(rows) << "\n";
}

std::string Describe(const RunningLab& lab, const LabProbe& probe) {
  const auto& hosts = lab.lab().hosts();
  return absl::StrCat(
      hosts[probe.source].name, " (", probe.probe.source.address.ToString(),
      ") -> ", DestinationOf(lab, probe), " (",
      probe.probe.destination.address.ToString(), ") ",
      probe.probe.port.ToString(), ": the packets say ",
      probe.probe.reached ? "allowed" : "denied", ", the compiler ",
      probe.expected      ? "allowed"
      : probe.needs_proxy ? "denied, for want of a proxy"
                          : "denied");
}

Json ToJson(const RunningLab& lab, const LabReport& report) {
  const std::vector<LabProbe>& probes = report.probes;
  const auto& hosts = lab.lab().hosts();
  Json out;
  out["hosts"] = Json::array();
  for (const LabHost& host : hosts) {
    Json entry = {{"name", host.name}};
    if (host.pod.has_value()) {
      entry["identity"] =
          static_cast<uint32_t>(lab.identities()[*host.pod].id());
    }
    for (const IpAddress& address : host.addresses) {
      entry["addresses"].push_back(address.ToString());
    }
    out["hosts"].push_back(std::move(entry));
  }
  size_t agree = 0, need_proxy = 0;
  out["probes"] = Json::array();
  for (const LabProbe& probe : probes) {
    agree += probe.agrees();
    need_proxy += probe.needs_proxy;
    out["probes"].push_back(
        {{"src", hosts[probe.source].name},
         {"srcAddress", probe.probe.source.address.ToString()},
         {"dst", DestinationOf(lab, probe)},
         {"dstAddress", probe.probe.destination.address.ToString()},
         {"port", probe.probe.port.ToString()},
         {"reached", probe.probe.reached},
         {"expected", probe.expected}});
    if (probe.needs_proxy) out["probes"].back()["needsProxy"] = true;
  }
  out["services"] = Json::array();
  for (const ServiceSpread& spread : report.spreads) {
    const ServiceOptions& service = lab.services()[spread.service];
    Json entry = {{"name", service.name},
                  {"frontend", service.frontend.ToString()},
                  {"connects", spread.connects},
                  {"backends", Json::array()}};
    for (const auto& [backend, count] : spread.answers) {
      entry["backends"].push_back({{"pod", PodAt(lab, backend.address)},
                                   {"address", backend.address.ToString()},
                                   {"port", backend.port},
                                   {"connects", count}});
    }
    out["services"].push_back(std::move(entry));
  }
  out["names"] = report.names.names;
  out["wrongNames"] = report.names.wrong;
  out["needProxy"] = need_proxy;
  out["agree"] = agree;
  out["disagree"] = probes.size() - agree;
  return out;
}

}  // namespace

absl::StatusOr<LabReport> ProbeLab(RunningLab& lab, uint32_t connects) {
  LabReport report;
  absl::StatusOr<std::vector<LabProbe>> probes = lab.ProbeAll();
  if (!probes.ok()) return probes.status();
  report.probes = *std::move(probes);
  absl::StatusOr<std::vector<ServiceSpread>> spreads = lab.Spread(connects);
  if (!spreads.ok()) return spreads.status();
  report.spreads = *std::move(spreads);
  absl::StatusOr<NameCheck> names = lab.CheckNames();
  if (!names.ok()) return names.status();
  report.names = *std::move(names);
  return report;
}

void PrintHosts(const RunningLab& lab) {
  std::vector<std::vector<std::string>> rows = {
      {"HOST", "IDENTITY", "ADDRESSES", "LABELS"}};
  for (const LabHost& host : lab.lab().hosts()) {
    std::string identity = "world", labels;
    if (host.pod.has_value()) {
      identity = IdentityName(lab.identities()[*host.pod].id());
      labels = LabelsText(lab.cluster().cluster.pods[*host.pod].labels);
    }
    rows.push_back({host.name, identity, Addresses(host), labels});
  }
  std::cout << TextTable(rows) << "\n";
}

bool PrintReport(const RunningLab& lab, const LabReport& report) {
  PrintMatrix(lab, ByPair(report.probes));
  PrintServices(lab, report.probes, report.spreads);
  return PrintCounts(lab, report);
}

bool PrintCounts(const RunningLab& lab, const LabReport& report) {
  for (const std::string& name : report.names.wrong) {
    std::cout << "disagree: the name " << name << "\n";
  }
  if (report.names.names != 0) {
    std::cout << "names: " << report.names.names << " looked up in pods, "
              << report.names.wrong.size() << " wrong\n";
  }
  size_t disagree = 0, need_proxy = 0;
  for (const LabProbe& probe : report.probes) {
    need_proxy += probe.needs_proxy;
    if (probe.agrees()) continue;
    ++disagree;
    std::cout << "disagree: " << Describe(lab, probe) << "\n";
  }
  if (need_proxy != 0) {
    std::cout << "for a proxy, which there is not: " << need_proxy
              << " probes, denied by the compiler\n";
  }
  std::cout << "probes: " << report.probes.size()
            << ", agree: " << report.probes.size() - disagree
            << ", disagree: " << disagree << "\n";
  return disagree == 0 && report.names.wrong.empty();
}

bool PrintReportAsJson(const RunningLab& lab, const LabReport& report) {
  const Json json = ToJson(lab, report);
  std::cout << json.dump(2) << "\n";
  return json["disagree"] == 0 && report.names.wrong.empty();
}

}  // namespace ciliumcore::ccore
