// SPDX-License-Identifier: Apache-2.0

// Flows on the wire: the messages of proto/ciliumcore/flow/v1/flow.proto, and
// JSON. Needs protobuf, which the rest of the library does without.

#ifndef CILIUMCORE_FLOW_FLOW_PROTO_H_
#define CILIUMCORE_FLOW_FLOW_PROTO_H_

#include <string>

#include "absl/status/statusor.h"
#include "ciliumcore/flow/flow.h"

namespace ciliumcore {

namespace flow::v1 {
class Flow;
}  // namespace flow::v1

// Writes `flow` over `message`. A message that is used again allocates nothing
// once it has held the longest flow.
void FlowToProto(const Flow& flow, flow::v1::Flow& message);

// One line of JSON, by protobuf's own printer, with the fields' names as the
// .proto has them. Internal if it refuses.
absl::StatusOr<std::string> FlowToJson(const flow::v1::Flow& message);
absl::StatusOr<std::string> FlowToJson(const Flow& flow);

}  // namespace ciliumcore

#endif  // CILIUMCORE_FLOW_FLOW_PROTO_H_
