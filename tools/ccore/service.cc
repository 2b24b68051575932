// SPDX-License-Identifier: Apache-2.0

// ccore service: what a pinned instance serves, and whether its maps say so.

#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ciliumcore/datapath/service_check.h"
#include "nlohmann/json.hpp"
#include "tools/ccore/command.h"
#include "tools/ccore/nouns.h"

namespace ciliumcore::ccore {
namespace {

using Json = nlohmann::ordered_json;

struct Arguments {
  InspectOptions instance;
  Output output = Output::kText;
  std::string service;
  bool repair = false;
};

std::string EndText(const Backend& backend) {
  return backend.address.is_v4()
             ? absl::StrCat(backend.address.ToString(), ":", backend.port)
             : absl::StrCat("[", backend.address.ToString(),
                            "]:", backend.port);
}

std::string AffinityText(const ServiceOptions& service) {
  return service.affinity == Affinity::kNone
             ? "none"
             : absl::FormatDuration(service.affinity_timeout);
}

Json ServiceJson(const ServiceOptions& service) {
  Json backends = Json::array();
  for (const Backend& backend : service.backends) {
    backends.push_back(
        {{"address", backend.address.ToString()},
         {"port", backend.port},
         {"weight", backend.weight},
         {"state", std::string(BackendStateName(backend.state))}});
  }
  Json ranges = Json::array();
  for (const IpPrefix& range : service.source_ranges)
    ranges.push_back(range.ToString());
  return {{"name", service.name},
          {"frontend", service.frontend.ToString()},
          {"kind", std::string(FrontendKindName(service.kind))},
          {"affinity", AffinityText(service)},
          {"source_ranges", ranges},
          {"source_ranges_deny", service.source_ranges_deny},
          {"backends", backends}};
}

// By its name or its frontend.
bool IsAsked(const ServiceOptions& service, const std::string& asked) {
  return asked.empty() || service.name == asked ||
         service.frontend.ToString() == asked;
}

int List(const Arguments& arguments) {
  const absl::StatusOr<std::vector<ServiceOptions>> services =
      ListServices(arguments.instance);
  if (!services.ok()) return BadInput(services.status());
  Json json = Json::array();
  std::vector<std::vector<std::string>> rows = {
      {"FRONTEND", "KIND", "NAME", "AFFINITY", "BACKENDS"}};
  for (const ServiceOptions& service : *services) {
    json.push_back(ServiceJson(service));
    size_t active = 0;
    for (const Backend& backend : BackendsInForce(service))
      active += backend.weight != 0;
    rows.push_back({service.frontend.ToString(),
                    std::string(FrontendKindName(service.kind)),
                    service.name.empty() ? "-" : service.name,
                    AffinityText(service),
                    absl::StrCat(active, " of ", service.backends.size())});
  }
  std::cout << (arguments.output == Output::kJson ? json.dump(2) + "\n"
                                                  : TextTable(rows));
  return kOk;
}

int Show(const Arguments& arguments) {
  const absl::StatusOr<std::vector<ServiceOptions>> services =
      ListServices(arguments.instance);
  if (!services.ok()) return BadInput(services.status());
  Json json = Json::array();
  std::string text;
  for (const ServiceOptions& service : *services) {
    if (!IsAsked(service, arguments.service)) continue;
    json.push_back(ServiceJson(service));
    absl::StrAppend(&text, service.ToString(), ", ",
                    FrontendKindName(service.kind), ", affinity ",
                    AffinityText(service), "\n");
    std::vector<std::vector<std::string>> rows = {
        {"BACKEND", "WEIGHT", "STATE"}};
    for (const Backend& backend : service.backends) {
      rows.push_back({EndText(backend), absl::StrCat(backend.weight),
                      std::string(BackendStateName(backend.state))});
    }
    text += service.backends.empty() ? "no backends: connections are refused\n"
                                     : TextTable(rows);
  }
  if (json.empty()) {
    return BadInput(absl::NotFoundError(absl::StrCat(
        "service ", arguments.service, ": instance ", arguments.instance.name,
        " has none of that name or frontend")));
  }
  std::cout << (arguments.output == Output::kJson ? json.dump(2) + "\n" : text);
  return kOk;
}

int Check(const Arguments& arguments) {
  const absl::StatusOr<ServiceReport> report =
      arguments.repair ? RepairServices(arguments.instance)
                       : CheckServices(arguments.instance);
  if (!report.ok()) return BadInput(report.status());
  const size_t count = report->findings.size();
  if (arguments.output == Output::kJson) {
    Json findings = Json::array();
    for (const ServiceFinding& finding : report->findings) {
      findings.push_back(
          {{"kind", std::string(ServiceFindingKindName(finding.kind))},
           {"service", finding.service},
           {"map", finding.map},
           {"entry", finding.entry},
           {"what", finding.what}});
    }
    std::cout << Json{{"generation", report->generation},
                      {"services", report->services},
                      {"findings", findings},
                      {"repaired", arguments.repair && count != 0}}
                     .dump(2)
              << "\n";
  } else {
    for (const ServiceFinding& finding : report->findings)
      std::cout << finding.ToString() << "\n";
    std::cout << "instance " << arguments.instance.name << ", generation "
              << report->generation << ": " << report->services << " services, "
              << (count == 0 ? std::string("all is well")
                             : absl::StrCat(count, " findings"))
              << (arguments.repair && count != 0 ? "; written anew" : "")
              << "\n";
  }
  return count == 0 || arguments.repair ? kOk : kCheckFailed;
}

}  // namespace

void AddServiceCommands(CLI::App& app) {
  CLI::App* service =
      app.add_subcommand("service", "The services of a pinned instance.");
  service->require_subcommand(1);
  auto listed = std::make_shared<Arguments>();
  CLI::App* list = service->add_subcommand(
      "list", "Frontends, and how many of their backends get new clients.");
  AddInstanceOptions(*list, listed->instance);
  AddOutputOption(*list, listed->output);
  SetAction(*list, [listed] { return List(*listed); });

  auto shown = std::make_shared<Arguments>();
  CLI::App* show = service->add_subcommand("show", "One service's backends.");
  show->add_option("SERVICE", shown->service,
                   "its name, shop/cart:http, or frontend, 10.96.0.7:80/TCP")
      ->required();
  AddInstanceOptions(*show, shown->instance);
  AddOutputOption(*show, shown->output);
  SetAction(*show, [shown] { return Show(*shown); });

  auto checked = std::make_shared<Arguments>();
  CLI::App* check = service->add_subcommand(
      "check",
      "Whether the maps are as the writer's journal says. Ends with 1 if not.");
  check->add_flag("--repair", checked->repair,
                  "writes all services anew if they are not; no process may "
                  "hold the instance");
  AddInstanceOptions(*check, checked->instance);
  AddOutputOption(*check, checked->output);
  SetAction(*check, [checked] { return Check(*checked); });
}

}  // namespace ciliumcore::ccore
