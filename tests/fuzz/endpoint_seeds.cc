// SPDX-License-Identifier: Apache-2.0

// Writes seeds for endpoint_fuzz to the files it is given: random choices, and
// behind them packets of every kind, as a scenario builds them.

#include <fstream>
#include <memory>
#include <random>

#include "ciliumcore/testing/program.h"
#include "tests/bpf/scenario.h"
#include "tests/bpf/state.h"

int main(int argc, char** argv) {
  using namespace ciliumcore::testing;
  ProgramOptions options;
  options.entries = ScenarioEntries();
  const std::unique_ptr<ProgramRunner> runner = ProgramRunner::Native(options);
  State state({runner.get()});
  RandomChoices choices(1);
  Scenario scenario(&choices, &state, options.config);
  std::mt19937 random(1);
  for (int i = 1; i < argc; ++i) {
    std::ofstream out(argv[i], std::ios::binary);
    for (unsigned n = 100 + random() % 2000; n > 0; --n) {
      out.put(static_cast<char>(random()));
    }
    for (int j = 0; j < 8; ++j) out << scenario.Next().packet;
    if (!out.good()) return 1;
  }
  return 0;
}
