// SPDX-License-Identifier: Apache-2.0

// Holds every program to what budgets.txt grants it on this kernel, so that one
// that grows, or shrinks, says so in review; on a kernel that is not there, to
// twice what it grants on any.

#include <glob.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "ciliumcore/datapath/features.h"
#include "tests/support/program_stats.h"
#include "tests/support/require_bpf.h"

namespace ciliumcore {
namespace {

using testing::KernelSeries;
using testing::ProgramStats;

constexpr char kBudgets[] = "tests/datapath/budgets.txt";
constexpr char kObjects[] = "bpf/*.bpf.o";
constexpr int64_t kTolerance = 10;  // per cent

struct Budget {
  int64_t instructions = 0, stack = 0;
};
// By "object program".
using Budgets = std::map<std::string, Budget>;

// Those of `kernel`; of every kernel the most, if it is "".
Budgets BudgetsFor(const std::string& kernel) {
  Budgets budgets;
  std::ifstream file(kBudgets);
  EXPECT_TRUE(file.is_open()) << kBudgets;
  for (std::string line; std::getline(file, line);) {
    std::istringstream fields(line);
    std::string series, object, program;
    Budget budget;
    if (line.starts_with('#') || !(fields >> series)) continue;
    fields >> object >> program >> budget.instructions >> budget.stack;
    EXPECT_FALSE(fields.fail()) << kBudgets << ": cannot read: " << line;
    if (series != kernel && !kernel.empty()) continue;
    Budget& most = budgets[absl::StrCat(object, " ", program)];
    most.instructions = std::max(most.instructions, budget.instructions);
    most.stack = std::max(most.stack, budget.stack);
  }
  return budgets;
}

std::string LineFor(const ProgramStats& found) {
  return absl::StrCat(KernelSeries(), " ", found.object, " ", found.program,
                      " ", found.instructions, " ", found.stack);
}

bool IsNear(int64_t found, int64_t budget) {
  return std::abs(found - budget) * 100 <= budget * kTolerance;
}

class BudgetTest : public ::testing::Test {
 protected:
  void SetUp() override { testing::RequireBpf(); }
};

TEST_F(BudgetTest, HoldsForEveryProgramOnThisKernel) {
  Budgets budgets = BudgetsFor(KernelSeries());
  // Verifiers walk the same program differently; a new one not out of measure.
  const bool is_listed = !budgets.empty();
  if (!is_listed) budgets = BudgetsFor("");
  const absl::StatusOr<bool> ends_sockets =
      HasKernelFeature(KernelFeature::kSockDestroy);
  ASSERT_TRUE(ends_sockets.ok()) << ends_sockets.status();
  glob_t objects = {};
  ASSERT_EQ(glob(kObjects, 0, nullptr, &objects), 0) << kObjects;
  for (size_t i = 0; i < objects.gl_pathc; ++i) {
    if (absl::StrContains(objects.gl_pathv[i], "stale.bpf.o") && !*ends_sockets)
      continue;  // it is not loaded there
    const auto programs = testing::MeasurePrograms(objects.gl_pathv[i]);
    ASSERT_TRUE(programs.ok()) << programs.status();
    for (const ProgramStats& found : *programs) {
      const auto budget =
          budgets.find(absl::StrCat(found.object, " ", found.program));
      if (budget == budgets.end()) {
        ADD_FAILURE() << found.program << " has no budget; found:\n"
                      << LineFor(found);
        continue;
      }
      const auto& [instructions, stack] = budget->second;
      EXPECT_TRUE((is_listed ? IsNear(found.instructions, instructions)
                             : found.instructions <= 2 * instructions) &&
                  IsNear(found.stack, stack))
          << found.program << ": the budget is " << instructions
          << " instructions and " << stack << " bytes of stack; found "
          << found.instructions << " and " << found.stack
          << ". If that is meant, in " << kBudgets << ":\n"
          << LineFor(found);
      budgets.erase(budget);
    }
  }
  globfree(&objects);
  for (const auto& [program, budget] : budgets)
    ADD_FAILURE() << kBudgets << " has a budget for " << program
                  << ", which is gone";
}

}  // namespace
}  // namespace ciliumcore
