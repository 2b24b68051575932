// SPDX-License-Identifier: Apache-2.0

// ccore policy verify: do the live maps judge as the policy does?

#include <iostream>
#include <memory>
#include <string>

#include "ciliumcore/datapath/verify.h"
#include "nlohmann/json.hpp"
#include "tools/ccore/command.h"
#include "tools/ccore/policy.h"

namespace ciliumcore::ccore {
namespace {

using Json = nlohmann::ordered_json;

struct Arguments {
  ManifestArguments manifests;
  InspectOptions instance;
  Output output = Output::kText;
};

Json ExampleJson(const CounterExample& example) {
  Json json = {{"kind", std::string(CounterExampleKindName(example.kind))}};
  if (!example.addresses.empty()) json["addresses"] = example.addresses;
  if (!example.endpoint.empty()) json["endpoint"] = example.endpoint;
  if (!example.peer.empty()) {
    json["direction"] = std::string(DirectionName(example.direction));
    json["identity"] = example.peer;
    json["ports"] = PortsToString({example.ports});
  }
  json["wanted"] = example.wanted;
  json["live"] = example.live;
  Json steps = Json::array();
  for (size_t i = 0; i < example.steps.size(); ++i) {
    const CounterExample::Step& step = example.steps[i];
    Json step_json = {
        {"map", step.map}, {"entry", step.entry}, {"says", step.says}};
    if (i == example.wrong_step) step_json["is_wrong"] = true;
    steps.push_back(std::move(step_json));
  }
  json["steps"] = std::move(steps);
  return json;
}

Json ReportJson(const VerifyReport& report) {
  Json json = {{"generation", report.generation},
               {"equal", report.is_equal()},
               {"compared",
                {{"endpoints", report.endpoints},
                 {"identities", report.identities},
                 {"rows", report.rows},
                 {"addresses", report.addresses},
                 {"ranges", report.ranges}}}};
  if (report.counter_example.has_value())
    json["counter_example"] = ExampleJson(*report.counter_example);
  if (report.other_rules.has_value())
    json["other_rules"] = ExampleJson(*report.other_rules);
  return json;
}

int Run(const Arguments& arguments) {
  absl::StatusOr<CompiledCluster> cluster = LoadCluster(arguments.manifests);
  if (!cluster.ok()) return BadInput(cluster.status());
  const absl::StatusOr<VerifyReport> report =
      VerifyInstance(arguments.instance, cluster->cluster);
  if (!report.ok()) return BadInput(report.status());
  if (arguments.output == Output::kJson) {
    std::cout << ReportJson(*report).dump(2) << "\n";
  } else {
    std::cout << "instance " << arguments.instance.name << ", "
              << report->ToString();
  }
  return report->is_equal() ? kOk : kCheckFailed;
}

}  // namespace

void AddPolicyVerify(CLI::App& policy) {
  CLI::App& command = *policy.add_subcommand(
      "verify",
      "Whether the live maps of a pinned instance judge as the policies do: "
      "all "
      "endpoints, identities, addresses, protocols and ports. Needs root");
  command.footer(
      "Ends with 0 if they do, with 1 if not: then it shows the smallest "
      "counter-example,\nand which entry of which map is wrong. Verdicts that "
      "are right, but told to be by\nother rules, are shown too, and are no "
      "difference.");
  auto arguments = std::make_shared<Arguments>();
  AddManifestOptions(command, arguments->manifests);
  AddInstanceOptions(command, arguments->instance);
  AddOutputOption(command, arguments->output);
  SetAction(command, [arguments] { return Run(*arguments); });
}

}  // namespace ciliumcore::ccore
