// SPDX-License-Identifier: Apache-2.0

// Runs the endpoint tests in the kernel, in a network namespace of their own.

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "tests/bpf/endpoint_fixture.h"
#include "tests/bpf/scenario_links.h"
#include "tests/support/private_netns.h"
#include "tests/support/require_bpf.h"

namespace ciliumcore::testing {
namespace {

void Prepare() {
  RequireBpf();
  if (::testing::Test::IsSkipped() || ::testing::Test::HasFatalFailure()) {
    return;
  }
  // One for all tests; it goes with the process.
  static PrivateNetns* netns = nullptr;
  if (netns != nullptr) return;
  netns = new PrivateNetns;
  MakeScenarioLinks(*netns);
}

// Loading takes a tenth of a second, so tests of one configuration share a
// runner, one after the other.
absl::StatusOr<std::shared_ptr<ProgramRunner>> Make(
    const ProgramOptions& options) {
  static auto* made = new std::map<std::string, std::shared_ptr<ProgramRunner>>;
  std::shared_ptr<ProgramRunner>& runner = (*made)[std::string(
      reinterpret_cast<const char*>(&options.config), sizeof(options.config))];
  if (runner == nullptr) {
    absl::StatusOr<std::unique_ptr<ProgramRunner>> loaded =
        ProgramRunner::InKernel(options);
    if (!loaded.ok()) return loaded.status();
    runner = *std::move(loaded);
  }
  for (const char* map :
       {"cc_addrs", "cc_cells", "cc_classes", "cc_conntrack", "cc_endpoints",
        "cc_drops", "cc_forwarded", "cc_fragments", "cc_hops", "cc_ifindex",
        "cc_ifindex_far", "cc_metrics", "cc_places", "cc_port_pages",
        "cc_prefixes", "cc_subjects", "cc_tables"}) {
    absl::Status cleared = runner->Clear(map);
    if (!cleared.ok()) return cleared;
  }
  return runner;
}

INSTANTIATE_TEST_SUITE_P(On, EndpointTest,
                         ::testing::Combine(::testing::Values(Ground{
                                                "Kernel", Make, Prepare}),
                                            ::testing::Bool()),
                         EndpointTest::NameOf);

}  // namespace
}  // namespace ciliumcore::testing
