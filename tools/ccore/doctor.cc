// SPDX-License-Identifier: Apache-2.0

// ccore doctor: what keeps a datapath from working here.

#include "ciliumcore/datapath/doctor.h"

#include <algorithm>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "tools/ccore/command.h"
#include "tools/ccore/nouns.h"

namespace ciliumcore::ccore {
namespace {

struct Arguments {
  DoctorOptions options;
  bool all = false;
  Output output = Output::kText;
};

int Run(const Arguments& arguments) {
  std::vector<Finding> findings = Diagnose(arguments.options);
  const bool has_error =
      std::any_of(findings.begin(), findings.end(), [](const Finding& finding) {
        return finding.severity == Severity::kError;
      });
  const size_t looked_at = findings.size();
  if (!arguments.all) {
    std::erase_if(findings, [](const Finding& finding) {
      return finding.severity == Severity::kOk;
    });
  }
  if (arguments.output == Output::kJson) {
    nlohmann::ordered_json json = nlohmann::ordered_json::array();
    for (const Finding& finding : findings) {
      json.push_back({{"severity", std::string(SeverityName(finding.severity))},
                      {"subject", finding.subject},
                      {"found", finding.found},
                      {"remedy", finding.remedy}});
    }
    std::cout << json.dump(2) << "\n";
    return has_error ? kCheckFailed : kOk;
  }
  size_t ok = looked_at;
  for (const Finding& finding : findings) {
    if (finding.severity != Severity::kOk) --ok;
    std::cout << SeverityName(finding.severity) << ": " << finding.subject
              << ": " << finding.found << "\n";
    if (!finding.remedy.empty()) std::cout << "    " << finding.remedy << "\n";
  }
  std::cout << looked_at << " findings, " << ok << " of them ok\n";
  return has_error ? kCheckFailed : kOk;
}

}  // namespace

void AddDoctorCommand(CLI::App& app) {
  CLI::App* doctor = app.add_subcommand(
      "doctor",
      "What keeps a datapath from working here, each with its remedy. Exit 1 "
      "if there is an error.");
  auto arguments = std::make_shared<Arguments>();
  doctor
      ->add_option("--bpffs", arguments->options.bpffs,
                   "where instances are pinned; /sys/fs/bpf is the default")
      ->option_text("PATH");
  doctor
      ->add_option("--cgroup", arguments->options.cgroup,
                   "of services; by default where cgroup2 is mounted")
      ->option_text("PATH");
  doctor
      ->add_option("--interface", arguments->options.interfaces,
                   "beside those of endpoints")
      ->option_text("NAME...");
  doctor->add_flag("--all", arguments->all, "show what is in order too");
  AddOutputOption(*doctor, arguments->output);
  SetAction(*doctor, [arguments] { return Run(*arguments); });
}

}  // namespace ciliumcore::ccore
