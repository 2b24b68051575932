// SPDX-License-Identifier: Apache-2.0

// The compiler's answer in the oracle's terms.

#ifndef CILIUMCORE_TESTS_ORACLE_COMPILED_JUDGEMENT_H_
#define CILIUMCORE_TESTS_ORACLE_COMPILED_JUDGEMENT_H_

#include <string>

#include "ciliumcore/policy/compiler.h"
#include "tests/oracle/oracle.h"
#include "tests/oracle/random_cluster.h"

namespace ciliumcore::testing {

// How `compiled`, which was made from `input`, differs from the oracle on
// `flow`, in verdict, proxy or what explains it; "" if it does not.
std::string Difference(const PolicyInput& input, const CompiledPolicy& compiled,
                       const Flow& flow);

// What `compiled` says of a side of `flow`.
Judgement JudgementOf(const PolicyInput& input, const CompiledPolicy& compiled,
                      const Flow& flow, Direction direction);

// The same as above, for many flows of one input.
std::string Difference(const Oracle& oracle, const CompiledPolicy& compiled,
                       const Flow& flow);

// Compiles, and then the same.
std::string CompileAndCompare(const PolicyInput& input, const Flow& flow);

}  // namespace ciliumcore::testing

#endif  // CILIUMCORE_TESTS_ORACLE_COMPILED_JUDGEMENT_H_
