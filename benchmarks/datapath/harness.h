// SPDX-License-Identifier: Apache-2.0

// What every benchmark here shares: how to measure on a machine that does other
// things too. A failure ends the run: half a result is of no use.

#ifndef CILIUMCORE_BENCHMARKS_HARNESS_H_
#define CILIUMCORE_BENCHMARKS_HARNESS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace ciliumcore::bench {

// Ends the run with `what` and errno, unless `ok`.
void Require(bool ok, absl::string_view what);

// A measurement: how long one operation took, in nanoseconds.
using Measure = std::function<double()>;

// Takes measurements in turn, so that what disturbs the machine for a while
// disturbs all of them alike.
class Turns {
 public:
  // The least of 11 measurements of each, the first of which is the baseline: a
  // turn in which it took more than it ever did here (a busy neighbour on the
  // same core makes everything half as long again) does not count. Settles for
  // what there is when that lasts.
  std::vector<double> LeastOfEach(absl::Span<const Measure> measures);

 private:
  double calm_ = std::numeric_limits<double>::infinity();
};

// Runs the BPF program `fd` on `packet`, `repeat` times over; nanoseconds per
// run. `ifindex` is the interface it seems to be on, 0 for none in particular;
// `ingress_ifindex` where it came in. The last return value goes to `returned`.
struct TestRun {
  int fd = -1;
  absl::Span<const uint8_t> packet;
  uint32_t ifindex = 0;
  uint32_t ingress_ifindex = 0;
  uint32_t repeat = 1;
};
double RunProgram(const TestRun& run, uint32_t* returned);

// Sets one entry of the map whose descriptor is `map`.
void PutEntry(int map, const void* key, const void* value);
template <typename K, typename V>
void Put(int map, const K& key, const V& value) {
  PutEntry(map, &key, &value);
}

// Moves the calling thread to a CPU where nothing is measured, if there is one.
void LeaveThisCpu();

// Shell commands that set up interfaces, in this process's network namespace.
void Shell(const std::string& commands);

}  // namespace ciliumcore::bench

#endif  // CILIUMCORE_BENCHMARKS_HARNESS_H_
