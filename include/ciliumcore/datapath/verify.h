// SPDX-License-Identifier: Apache-2.0

// Whether live maps judge as the policy does: for every endpoint, direction,
// identity, protocol and port, interval by interval, and for every address.

#ifndef CILIUMCORE_DATAPATH_VERIFY_H_
#define CILIUMCORE_DATAPATH_VERIFY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ciliumcore/datapath/inspect.h"
#include "ciliumcore/policy/cluster.h"
#include "ciliumcore/policy/verdict_table.h"

namespace ciliumcore {

// A judgement in which maps and policy differ, and the way by which programs
// come to it.
struct CounterExample {
  enum class Kind : uint8_t {
    kInterface,  // what comes through it is not judged as the endpoint's
    kSource,     // the endpoint may send from other addresses
    kVerdict,    // of an identity on `ports`
    kAddress,    // it is taken for somebody else, or to be somewhere else
  };

  // An entry that a program reads on its way to the judgement.
  struct Step {
    std::string map;    // "cc_classes"
    std::string entry;  // "table 3, peer 257"
    std::string says;   // "class 2"

    friend bool operator==(const Step&, const Step&) = default;
  };

  Kind kind = Kind::kVerdict;
  // Of the interface. Empty where it is nobody's who judges.
  std::string endpoint = {};
  // These of kVerdict, and of kAddress if a verdict differs by it.
  Direction direction = Direction::kIngress;
  std::string peer = {};    // "257 (shop/app=web)", "any other identity"
  PortKeyRange ports = {};  // maximal: alike on either side
  // Of kAddress, "10.0.0.1" or "10.0.0.0-10.0.255.255": all fare alike.
  std::string addresses = {};
  std::string wanted = {};  // what the policy says: "deny: ..."
  std::string live = {};    // what the maps say
  std::vector<Step> steps = {};
  // Of `steps`, the first that leads elsewhere than the policy's own way.
  size_t wrong_step = 0;

  // A few lines; ends with the entry that is wrong.
  std::string ToString() const;

  friend bool operator==(const CounterExample&,
                         const CounterExample&) = default;
};

// "interface", "source", "verdict" or "address".
absl::string_view CounterExampleKindName(CounterExample::Kind kind);

// A value.
struct VerifyReport {
  uint32_t generation = 0;  // that was read
  // What was compared, up to the counter-example: endpoints; identities, "any
  // other" among them; addresses that have an entry, and ranges of the others;
  // pairs of rows of verdicts, one wanted and one found, each pair once.
  uint64_t endpoints = 0;
  uint64_t identities = 0;
  uint64_t addresses = 0;
  uint64_t ranges = 0;
  uint64_t rows = 0;
  // The smallest: of the first endpoint by its interface's name, its interface,
  // its addresses, ingress, egress; of these the lowest identity, any other
  // last, and of that the lowest port key; then interfaces without an endpoint;
  // then addresses, at last ranges. None: the maps judge as the policy does.
  std::optional<CounterExample> counter_example = {};
  // The smallest kVerdict where the verdict is right, but is told to be by
  // other rules.
  std::optional<CounterExample> other_rules = {};

  bool is_equal() const { return !counter_example.has_value(); }

  // What was compared, and the result.
  std::string ToString() const;
};

// Compares the pinned maps of an instance, whose process may live or not, with
// the policies of `cluster`: of the manifests that were read. See
// Datapath::Verify for what is compared.
//
// Pods are known by their addresses: those that the instance judges are its
// endpoints, the others remote addresses. Numbers of identities, peers and rule
// sets are the instance's own, from its journal. Which addresses are this
// node's is asked from the kernel, in `instance.netns`.
//
// As InspectInstance; besides, Unavailable if the maps changed each time that
// they were read; DataLoss if the journal is damaged; InvalidArgument as
// Compile. Thread-safe. Cost: compiles all policies; linear in the maps'
// entries in use, and in endpoints times identities where their tables differ.
absl::StatusOr<VerifyReport> VerifyInstance(const InspectOptions& instance,
                                            const Cluster& cluster);

}  // namespace ciliumcore

#endif  // CILIUMCORE_DATAPATH_VERIFY_H_
