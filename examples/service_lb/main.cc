// SPDX-License-Identifier: Apache-2.0

// A service: clients speak to one address, and reach one of three pods. Their
// sockets are given the pod's address when they connect, so no packet has the
// service's.
//
//   service_lb      as root; leaves nothing behind

#include <iostream>
#include <map>
#include <string>

#include "ciliumcore/ciliumcore.h"
#include "ciliumcore/net/cgroup.h"
#include "examples/pods/pods.h"

namespace cc = ciliumcore;

constexpr int kConnections = 400;

absl::Status Run() {
  // Who is in the cgroup reaches services: this process.
  absl::StatusOr<cc::Cgroup> cgroup = cc::Cgroup::Create("service-lb");
  if (!cgroup.ok()) return cgroup.status();
  if (absl::Status in = cgroup->Enter(); !in.ok()) return in;

  absl::StatusOr<cc::examples::Node> node = cc::examples::Node::Create();
  if (!node.ok()) return node.status();
  auto datapath =
      cc::Datapath::Open({.name = "service-lb", .cgroup = cgroup->path()});
  if (!datapath.ok()) return datapath.status();

  const cc::IpAddress frontend = *cc::IpAddress::Parse("10.96.0.10");
  cc::ServiceOptions cart = {
      .name = "shop/cart",
      .frontend = {.address = frontend,
                   .port = {.protocol = cc::Protocol::kTcp, .port = 80}}};
  cc::Transaction change = datapath->Begin();
  for (const char* name : {"client", "cart-0", "cart-1", "cart-2"}) {
    const auto number = static_cast<uint32_t>(cart.backends.size());
    const bool is_client = std::string(name) == "client";
    const cc::IpAddress address =
        cc::IpAddress::FromV4(0x0a000101 + (is_client ? 99 : number));
    absl::Status made = node->AddPod(name, address);
    if (made.ok() && !is_client) made = node->Listen(name, 8080);
    if (!made.ok()) return made;
    change.AttachEndpoint(node->Endpoint(name));
    if (is_client) continue;
    // The first takes half of the clients.
    cart.backends.push_back(
        {.address = address, .port = 8080, .weight = number == 0 ? 2u : 1u});
  }
  change.UpsertService(cart);
  if (absl::Status done = change.Commit(); !done.ok()) return done;

  std::map<std::string, int> spread;
  for (int i = 0; i < kConnections; ++i) {
    const auto reached = node->Connect("client", frontend, 80);
    if (!reached.ok()) return reached.status();
    ++spread[reached->ToString()];
  }
  for (const auto& [backend, connections] : spread)
    std::cout << backend << ": " << connections << " of " << kConnections
              << "\n";
  return cgroup->Leave();
}

int main() {
  const absl::Status done = Run();
  if (!done.ok()) std::cerr << "service_lb: " << done << "\n";
  return done.ok() ? 0 : 1;
}
