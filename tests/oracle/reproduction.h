// SPDX-License-Identifier: Apache-2.0

// Makes a flow that is judged wrongly small enough to be read.

#ifndef CILIUMCORE_TESTS_ORACLE_REPRODUCTION_H_
#define CILIUMCORE_TESTS_ORACLE_REPRODUCTION_H_

#include <functional>
#include <string>

#include "ciliumcore/policy/compiler.h"
#include "tests/oracle/oracle.h"
#include "tests/oracle/random_cluster.h"

namespace ciliumcore::testing {

// What is wrong with the judgement of a flow, or "".
using Check = std::function<std::string(const PolicyInput&, const Flow&)>;

// Removes whatever can go while `check` still complains, and writes down the
// rest: the complaint, the flow, the pods and the policies as manifests.
std::string Reproduce(PolicyInput input, Flow flow, const Check& check);

// "blue/10.0.0.1 -> 203.0.113.9 80/TCP".
std::string Describe(const PolicyInput& input, const Flow& flow);

// "allow", or "redirect to 10001": with the port of the proxy.
std::string VerdictText(const Judgement& judgement);

// "allow: because ...".
std::string Describe(const Judgement& judgement);

}  // namespace ciliumcore::testing

#endif  // CILIUMCORE_TESTS_ORACLE_REPRODUCTION_H_
