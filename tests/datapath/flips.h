// SPDX-License-Identifier: Apache-2.0

// Policies of all dialects that change, one pod's at a time. A change writes
// what a pod has anew, in another form and under another name: what explains a
// verdict under any other change is a wrong answer.

#ifndef CILIUMCORE_TESTS_DATAPATH_FLIPS_H_
#define CILIUMCORE_TESTS_DATAPATH_FLIPS_H_

#include "ciliumcore/base/ip.h"
#include "ciliumcore/identity/label.h"
#include "ciliumcore/policy/policy_input.h"

namespace ciliumcore::testing {

// Of pods 1 to kPods, whose ingress the policies judge; pod 0 sends.
struct Flips {
  static constexpr int kPods = 32;

  static IpAddress AddressOf(int pod);
  static Labels LabelsOf(int pod);
  // The pod that has an address of IPv4; 0 if it is none that receives.
  static int PodAt(const IpAddress& address);

  // What there is after so many changes: the n-th was of pod n, and on in turn.
  // Each pod goes through all forms; at any time, the pods have all of them.
  static Policies PoliciesAfter(int changes);
  // What judges by it: endpoint i is pod i.
  static PolicyInput InputAfter(int changes);
};

}  // namespace ciliumcore::testing

#endif  // CILIUMCORE_TESTS_DATAPATH_FLIPS_H_
