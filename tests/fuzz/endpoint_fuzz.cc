// SPDX-License-Identifier: Apache-2.0

// The endpoint programs on every packet in every state. The input is a list of
// choices: those that a scenario makes, or, half of the time, the bytes of a
// packet. The sanitizers see what the programs touch; beyond that, whatever the
// packet and the state, nothing leaves an endpoint in another's name.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>

#include "ciliumcore/abi/convert.h"
#include "ciliumcore/abi/endpoint.h"
#include "ciliumcore/testing/program.h"
#include "tests/bpf/scenario.h"
#include "tests/bpf/state.h"
#include "tests/fuzz/fuzz_check.h"

namespace ciliumcore::testing {
namespace {

// Zeros when the input ends.
class InputChoices : public Choices {
 public:
  InputChoices(const uint8_t* data, size_t size)
      : at_(data), end_(data + size) {}

  uint32_t Below(uint32_t bound) override {
    if (bound <= 1) return 0;
    uint32_t value = Byte();
    if (bound > 256) value |= uint32_t{Byte()} << 8;
    return value % bound;
  }

  bool empty() const { return at_ == end_; }
  std::string Bytes(size_t size) {
    std::string bytes;
    while (bytes.size() < size && !empty()) {
      bytes.push_back(static_cast<char>(Byte()));
    }
    return bytes;
  }

 private:
  uint8_t Byte() { return empty() ? 0 : *at_++; }
  const uint8_t* at_;
  const uint8_t* const end_;
};

// The source address on the wire; :: if this is no IP packet.
IpAddress SourceOf(const std::string& packet) {
  const auto byte = [&](size_t at) { return static_cast<uint8_t>(packet[at]); };
  if (packet.size() >= 34 && byte(12) == 0x08 && byte(13) == 0x00) {
    return IpAddress::FromV4(uint32_t{byte(26)} << 24 |
                             uint32_t{byte(27)} << 16 |
                             uint32_t{byte(28)} << 8 | byte(29));
  }
  std::array<uint8_t, 16> bytes = {};
  if (packet.size() >= 54 && byte(12) == 0x86 && byte(13) == 0xdd) {
    std::memcpy(bytes.data(), packet.data() + 22, 16);
  }
  return IpAddress::FromBytes(bytes);
}

void Check(ProgramRunner& runner, const Arrival& arrival,
           const ProgramOutput& output) {
  FuzzCheck(output.packet.size() == arrival.packet.size(),
            "no program changes a packet's length");
  switch (output.action) {
    case Action::kPass:
      FuzzCheck(arrival.program == Program::kFromEndpoint ||
                    output.packet == arrival.packet,
                "what reaches an endpoint by the node is not rewritten");
      break;
    case Action::kDrop:
      return;
    case Action::kRedirect:
      FuzzCheck(arrival.program == Program::kFromEndpoint,
                "what reaches an endpoint by the node goes nowhere else");
      break;
    default:
      FuzzCheck(false, "an action that tc knows");
  }
  if (arrival.program != Program::kFromEndpoint) return;

  const bool far = arrival.ifindex >= CC_IFINDEX_DIRECT;
  const auto slot = runner.Get<uint32_t>(far ? "cc_ifindex_far" : "cc_ifindex",
                                         arrival.ifindex);
  FuzzCheck(slot.ok() && *slot != 0, "only an endpoint's packets leave");
  const auto me = runner.Get<cc_endpoint>("cc_endpoints", *slot);
  if (output.redirect &&
      output.redirect->kind == RedirectTarget::Kind::kDevice &&
      output.redirect->ifindex == arrival.ifindex) {
    return;  // a neighbour's answer
  }
  const IpAddress source = SourceOf(output.packet);
  if (source == IpAddress()) return;  // ARP to the node
  // An advertisement from a link-local address goes to the node.
  if (output.action == Action::kPass && source.bytes()[0] == 0xfe) return;
  FuzzCheck(source == abi::FromAddr(me->v4) || source == abi::FromAddr(me->v6),
            "a packet leaves with its endpoint's own address");
}

void Live(InputChoices& choices) {
  ProgramOptions options;
  options.config.ticks_tcp = 50;
  options.config.ticks_syn = 12;
  options.config.ticks_close = 5;
  options.config.ticks_any = 20;
  options.config.forward = choices.Of<uint8_t>({0, 1});
  options.entries = ScenarioEntries();
  options.fib = ScenarioFib;
  const std::unique_ptr<ProgramRunner> runner = ProgramRunner::Native(options);
  State state({runner.get()});
  Scenario scenario(&choices, &state, options.config);
  for (int i = 0; i < 32 && !choices.empty(); ++i) {
    Arrival arrival = scenario.Next();
    if (choices.Percent(50)) arrival.packet = choices.Bytes(choices.Below(200));
    ProgramInput input = arrival.input();
    input.linear = choices.Percent(50) ? 0 : 14 + choices.Below(100);
    const auto output = runner->Run(input);
    FuzzCheck(output.ok(), "natively everything runs");
    Check(*runner, arrival, *output);
  }
}

}  // namespace
}  // namespace ciliumcore::testing

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ciliumcore::testing::InputChoices choices(data, size);
  ciliumcore::testing::Live(choices);
  return 0;
}
