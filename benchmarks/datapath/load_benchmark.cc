// SPDX-License-Identifier: Apache-2.0

// What programs cost before they see a packet.

#include <benchmark/benchmark.h>
#include <glob.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "benchmarks/datapath/harness.h"
#include "tests/support/program_stats.h"

namespace ciliumcore::bench {
namespace {

using testing::MeasurePrograms;
using testing::ProgramStats;

// Where `bazel run` begins.
constexpr char kObjects[] = "bpf/*.bpf.o";

// Opens, verifies, translates and unloads an object, with its maps.
void BM_Load(benchmark::State& state, const std::string& path) {
  for (auto _ : state) {
    const auto programs = MeasurePrograms(path);
    if (!programs.ok()) {
      state.SkipWithError(programs.status().ToString().c_str());
      return;
    }
  }
}

void BM_Program(benchmark::State& state, const ProgramStats& program) {
  for (auto _ : state) {
  }
  state.counters["instructions"] = program.instructions;
  state.counters["stack"] = program.stack;
  state.counters["jited_bytes"] = program.jited_bytes;
}

void Register(const std::string& path) {
  const auto programs = MeasurePrograms(path);
  Require(programs.ok(), programs.status().ToString());
  benchmark::RegisterBenchmark(
      absl::StrCat("load/", programs->front().object).c_str(),
      [path](benchmark::State& state) { BM_Load(state, path); })
      ->UseRealTime()
      ->Unit(benchmark::kMillisecond);
  for (const ProgramStats& program : *programs) {
    benchmark::RegisterBenchmark(
        absl::StrCat("program/", program.program).c_str(),
        [program](benchmark::State& state) { BM_Program(state, program); })
        ->Iterations(1);
  }
}

const bool kRegistered = [] {
  glob_t objects = {};
  Require(glob(kObjects, 0, nullptr, &objects) == 0, kObjects);
  for (size_t i = 0; i < objects.gl_pathc; ++i) Register(objects.gl_pathv[i]);
  globfree(&objects);
  return true;
}();

}  // namespace
}  // namespace ciliumcore::bench
