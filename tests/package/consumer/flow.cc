// SPDX-License-Identifier: Apache-2.0

// Prints a flow as JSON, and what a reader of its message finds.

#include "ciliumcore/flow/flow.h"

#include <iostream>

#include "ciliumcore/ciliumcore.h"
#include "ciliumcore/flow/flow_proto.h"
#include "ciliumcore/flow/v1/flow.pb.h"

namespace cc = ciliumcore;

int main() {
  cc::Flow flow;
  flow.kind = cc::FlowKind::kDrop;
  flow.verdict = cc::Flow::Verdict::kDropped;
  flow.reason = 133;
  flow.protocol = cc::Protocol::kTcp;
  flow.source.address = *cc::IpAddress::Parse("10.0.0.1");
  flow.source.pod = "shop/web-0";
  flow.destination.address = *cc::IpAddress::Parse("10.0.0.2");
  flow.destination.port = 5432;
  flow.ingress = {.rule_set = 1, .why = "default deny"};
  const auto json = cc::FlowToJson(flow);
  if (!json.ok()) std::cerr << json.status().ToString() << "\n";
  if (!json.ok()) return 1;
  std::cout << *json << "\n";

  cc::flow::v1::Flow message;
  cc::FlowToProto(flow, message);
  std::cout << cc::flow::v1::DropReason_Name(message.drop_reason_desc()) << " "
            << message.source().pod_name() << " -> "
            << message.ip().destination() << ":"
            << message.l4().tcp().destination_port() << ": "
            << message.ingress().why() << "\n";
  return 0;
}
