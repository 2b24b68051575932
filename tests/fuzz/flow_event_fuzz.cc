// SPDX-License-Identifier: Apache-2.0

// Whatever bytes a ring holds, they are an event or refused; and an event can
// be printed in every form.

#include <cstddef>
#include <cstdint>

#include "ciliumcore/flow/flow_proto.h"
#include "ciliumcore/flow/v1/flow.pb.h"
#include "tests/flow/records.h"
#include "tests/fuzz/fuzz_check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using ciliumcore::FlowKind;
  using ciliumcore::FuzzCheck;
  static const ciliumcore::testing::TwoPods directory;
  // Used again and again, as a reader does.
  static ciliumcore::Flow flow;
  static ciliumcore::flow::v1::Flow message;
  const auto record =
      absl::MakeConstSpan(reinterpret_cast<const std::byte*>(data), size);
  const auto event = ciliumcore::DecodeEvent(record);
  if (!event.ok()) {
    FuzzCheck(absl::IsInvalidArgument(event.status()), "it says why");
    return 0;
  }
  FuzzCheck(size >= sizeof(cc_event), "an event is whole");
  FuzzCheck(event->kind != FlowKind::kEnd || !event->is_reply,
            "an end is that of a connection");
  ciliumcore::ResolveFlow(*event, directory, flow);
  const auto fresh = ciliumcore::DecodeFlow(record, directory);
  FuzzCheck(fresh.ok() && fresh->ToString() == flow.ToString(),
            "a flow that is used again keeps nothing");
  ciliumcore::FlowToProto(flow, message);
  const auto json = ciliumcore::FlowToJson(message);
  FuzzCheck(json.ok() && json->find('\n') == std::string::npos,
            "it is one line of JSON");
  ciliumcore::flow::v1::Flow again;
  FuzzCheck(again.ParseFromString(message.SerializeAsString()),
            "it reads what it writes");
  return 0;
}
