// SPDX-License-Identifier: Apache-2.0

// Runs the endpoint tests natively.

#include "tests/bpf/endpoint_fixture.h"

namespace ciliumcore::testing {
namespace {

INSTANTIATE_TEST_SUITE_P(
    On, EndpointTest,
    ::testing::Combine(
        ::testing::Values(Ground{
            "Native",
            [](const ProgramOptions& options)
                -> absl::StatusOr<std::shared_ptr<ProgramRunner>> {
              return ProgramRunner::Native(options);
            },
            nullptr}),
        ::testing::Bool()),
    EndpointTest::NameOf);

}  // namespace
}  // namespace ciliumcore::testing
