// SPDX-License-Identifier: Apache-2.0

// A node's life, driven by choices: state changes, time passes, and packets
// come that belong together (connections, their replies, errors about them,
// their fragments). The choices are random numbers in one test and the bytes of
// a fuzzer in another.

#ifndef CILIUMCORE_TESTS_BPF_SCENARIO_H_
#define CILIUMCORE_TESTS_BPF_SCENARIO_H_

#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "ciliumcore/testing/packet.h"
#include "ciliumcore/testing/program.h"
#include "tests/bpf/state.h"

namespace ciliumcore::testing {

// Where decisions come from.
class Choices {
 public:
  virtual ~Choices() = default;
  virtual uint32_t Below(uint32_t bound) = 0;  // 0 if bound is 0

  bool Percent(uint32_t percent) { return Below(100) < percent; }
  template <typename T>
  T Of(std::initializer_list<T> options) {
    return options.begin()[Below(static_cast<uint32_t>(options.size()))];
  }
  template <typename T>
  const T& In(const std::vector<T>& options) {
    return options[Below(static_cast<uint32_t>(options.size()))];
  }
};

class RandomChoices : public Choices {
 public:
  explicit RandomChoices(uint64_t seed) : random_(seed) {}
  uint32_t Below(uint32_t bound) override {
    return bound == 0 ? 0 : static_cast<uint32_t>(random_() % bound);
  }

 private:
  std::mt19937_64 random_;
};

// Interfaces that a scenario's packets name. In the kernel they must exist.
inline constexpr uint32_t kScenarioEndpoints[] = {10, 11, 12, 70000};
inline constexpr uint32_t kScenarioNobody = 14;  // without an endpoint
inline constexpr uint32_t kScenarioOutside = 20;

// Sizes of the maps that hold all a scenario puts in.
std::map<std::string, uint32_t> ScenarioEntries();

// What the routes of the scenario's outside answer. In the kernel the test
// makes the same routes.
FibAnswer ScenarioFib(const cc_addr& dst);

// One packet at a program.
struct Arrival {
  Program program = Program::kFromEndpoint;
  uint32_t ifindex = 0, ingress_ifindex = 0;
  std::string packet;

  ProgramInput input() const {
    return {.program = program,
            .packet = packet,
            .ifindex = ifindex,
            .ingress_ifindex = ingress_ifindex};
  }
};

class Scenario {
 public:
  // Lays down a first state. All maps of `state` are empty before.
  Scenario(Choices* choices, State* state, const cc_config& config);

  // Perhaps changes the state or lets time pass; the next packet.
  Arrival Next();

 private:
  struct Host {
    IpAddress v4 = {}, v6 = {};
    uint16_t slot = 0;  // 0: not of this node
    uint32_t ifindex = kScenarioOutside;
  };
  struct Flow {
    size_t from = 0, to = 0;  // hosts
    bool v6 = false;
    uint8_t protocol = 6;
    uint16_t sport = 0, dport = 0;
  };

  void PutEndpoint(uint16_t slot);
  void PutTable(uint16_t index);
  void PutPlace(uint32_t index);
  void MayChange();
  void LetTimePass();

  Flow NewFlow();
  PacketBuilder Begin(const Flow& flow, bool reply);
  std::string Segment(const Flow& flow, bool reply);
  std::string IcmpError(const Flow& flow, bool reply);
  std::string Arp(size_t host);
  std::string Neighbor(size_t host);
  std::string Oddity(const Flow& flow);
  Arrival Arrive(std::string packet, size_t from, size_t to);
  void Spoil(std::string* packet);

  Choices& choices_;
  State& state_;
  const cc_config config_;
  std::vector<Host> hosts_;
  std::vector<Flow> flows_;
  std::vector<Arrival> fragments_;  // not sent yet
  uint32_t epoch_ = 1;
  uint32_t ticks_ = 1000;
};

}  // namespace ciliumcore::testing

#endif  // CILIUMCORE_TESTS_BPF_SCENARIO_H_
