// SPDX-License-Identifier: Apache-2.0

// Prints who may talk to whom by the manifests given, one connection a line.

#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "ciliumcore/ciliumcore.h"

namespace cc = ciliumcore;

absl::Status Run(const std::vector<std::string>& paths) {
  auto sources = cc::ReadManifestFiles(paths);
  if (!sources.ok()) return sources.status();
  auto cluster = cc::LoadManifests(*sources);
  if (!cluster.ok()) return cluster.status();
  auto compiled = cc::CompileCluster(
      *std::move(cluster),
      {.pod_cidrs = {*cc::IpPrefix::Parse("10.244.0.0/16"),
                     *cc::IpPrefix::Parse("fd00:10:244::/64")}});
  if (!compiled.ok()) return compiled.status();

  const cc::Matrix matrix = cc::ComputeMatrix(*compiled);
  for (const cc::Matrix::Connection& connection : matrix.connections) {
    std::cout << matrix.PeerName(connection.source) << " -> "
              << matrix.PeerName(connection.destination) << ":";
    for (const cc::PortSpan& span : matrix.port_sets[connection.allowed]) {
      std::cout << " " << cc::ProtocolName(span.protocol) << " " << span.from
                << "-" << span.to;
    }
    std::cout << "\n";
  }
  return absl::OkStatus();
}

int main(int argc, char** argv) {
  const absl::Status done =
      Run(std::vector<std::string>(argv + 1, argv + argc));
  if (!done.ok()) std::cerr << done.ToString() << "\n";
  return done.ok() ? 0 : 1;
}
