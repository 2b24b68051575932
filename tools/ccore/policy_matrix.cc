// SPDX-License-Identifier: Apache-2.0

// ccore policy matrix: who may talk to whom.

#include <cstdint>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "ciliumcore/policy/matrix.h"
#include "nlohmann/json.hpp"
#include "tools/ccore/command.h"
#include "tools/ccore/policy.h"

namespace ciliumcore::ccore {
namespace {

struct Arguments {
  ManifestArguments manifests;
  Output output = Output::kText;
};

std::vector<std::string> PeerNames(const Matrix& matrix) {
  std::vector<std::string> names;
  for (uint32_t peer = 0; peer < matrix.peer_count(); ++peer) {
    names.push_back(matrix.PeerName(peer));
  }
  return names;
}

std::string Quoted(const std::string& text) {
  return nlohmann::json(text).dump();
}

std::string AllowedJson(const PortSpans& spans) {
  return absl::StrCat(
      "[",
      absl::StrJoin(spans, ",",
                    [](std::string* out, const PortSpan& span) {
                      absl::StrAppend(
                          out, "{\"protocol\":\"", ProtocolName(span.protocol),
                          "\",\"from\":", span.from, ",\"to\":", span.to, "}");
                    }),
      "]");
}

// One line per peer and connection. Written piece by piece: there may be a
// million connections, of few port sets.
void PrintJson(const Matrix& matrix, std::ostream& out) {
  std::vector<std::string> peers;
  for (const std::string& name : PeerNames(matrix)) {
    peers.push_back(Quoted(name));
  }
  std::vector<std::string> allowed;
  for (const PortSpans& spans : matrix.port_sets) {
    allowed.push_back(AllowedJson(spans));
  }
  out << "{\"peers\":[\n" << absl::StrJoin(peers, ",\n") << "\n],\n";
  out << "\"connections\":[";
  const char* separator = "\n";
  for (const Matrix::Connection& connection : matrix.connections) {
    out << separator << "{\"src\":" << peers[connection.source]
        << ",\"dst\":" << peers[connection.destination]
        << ",\"allowed\":" << allowed[connection.allowed] << "}";
    separator = ",\n";
  }
  out << "\n]}\n";
}

// "all", "TCP", "TCP 80,443,8000-8999; UDP 53".
std::string AllowedText(const PortSpans& spans) {
  std::vector<std::string> protocols;
  size_t whole = 0;
  for (size_t i = 0; i < spans.size();) {
    const Protocol protocol = spans[i].protocol;
    std::string text = ProtocolName(protocol);
    if (spans[i].from == 1 && spans[i].to == 65535) {
      ++whole;
      ++i;
    } else {
      const char* separator = " ";
      for (; i < spans.size() && spans[i].protocol == protocol; ++i) {
        absl::StrAppend(&text, separator, spans[i].from);
        if (spans[i].to != spans[i].from) {
          absl::StrAppend(&text, "-", spans[i].to);
        }
        separator = ",";
      }
    }
    protocols.push_back(std::move(text));
  }
  return whole == 3 ? "all" : absl::StrJoin(protocols, "; ");
}

void PrintText(const Matrix& matrix, std::ostream& out) {
  const std::vector<std::string> peers = PeerNames(matrix);
  std::vector<std::vector<std::string>> rows = {
      {"SOURCE", "DESTINATION", "ALLOWED"}};
  for (const Matrix::Connection& connection : matrix.connections) {
    rows.push_back({peers[connection.source], peers[connection.destination],
                    AllowedText(matrix.port_sets[connection.allowed])});
  }
  out << TextTable(rows);
}

int Run(const Arguments& arguments) {
  absl::StatusOr<CompiledCluster> cluster = LoadCluster(arguments.manifests);
  if (!cluster.ok()) return BadInput(cluster.status());
  const Matrix matrix = ComputeMatrix(*cluster);
  if (arguments.output == Output::kJson) {
    PrintJson(matrix, std::cout);
  } else {
    PrintText(matrix, std::cout);
  }
  return kOk;
}

}  // namespace

void AddPolicyMatrix(CLI::App& policy) {
  CLI::App& command = *policy.add_subcommand(
      "matrix", "Every pair of workloads and address ranges that may talk");
  command.footer(
      "Lists what is allowed of TCP, UDP and SCTP between workloads (the pods "
      "of one\nowner) and with addresses outside, in the ranges that the "
      "policies tell apart.\nA workload in the host's network is taken for "
      "the node of every pod.");
  auto arguments = std::make_shared<Arguments>();
  AddManifestOptions(command, arguments->manifests);
  AddOutputOption(command, arguments->output);
  SetAction(command, [arguments] { return Run(*arguments); });
}

}  // namespace ciliumcore::ccore
