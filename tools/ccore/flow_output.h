// SPDX-License-Identifier: Apache-2.0

// Which flows a command prints, and how.

#ifndef CILIUMCORE_TOOLS_CCORE_FLOW_OUTPUT_H_
#define CILIUMCORE_TOOLS_CCORE_FLOW_OUTPUT_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "ciliumcore/flow/filter.h"
#include "ciliumcore/flow/flow.h"

namespace ciliumcore::ccore {

struct FlowArguments {
  std::vector<std::string> filters;
  bool as_json = false;

  // Of `filters`, once they are read.
  std::vector<FlowFilter> wanted;

  // InvalidArgument if one cannot be read.
  absl::Status Read();
};

// "--filter" and "--flow-output".
void AddFlowOptions(CLI::App& command, FlowArguments& arguments);

// Prints the flow if it is wanted: a line of text, or of JSON.
void PrintFlow(const FlowArguments& arguments, const Flow& flow);

// Says on standard error what is missing from what was read, if anything is:
// events that found the ring full, and those that another build wrote.
void NoteLosses(uint64_t lost, uint64_t undecodable);

// Drops by their reason and the rules that made them.
class DropTable {
 public:
  // Counts the flow if it is a drop.
  void Add(const Flow& flow);

  // The most frequent first, each with an example and what to look at.
  std::string ToString() const;

 private:
  struct Group {
    uint64_t count = 0;
    std::string example;
  };
  std::map<std::pair<uint8_t, std::string>, Group> groups_;
};

}  // namespace ciliumcore::ccore

#endif  // CILIUMCORE_TOOLS_CCORE_FLOW_OUTPUT_H_
