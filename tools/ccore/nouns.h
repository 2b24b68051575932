// SPDX-License-Identifier: Apache-2.0

// The commands, one function for each noun.

#ifndef CILIUMCORE_TOOLS_CCORE_NOUNS_H_
#define CILIUMCORE_TOOLS_CCORE_NOUNS_H_

#include "CLI/CLI.hpp"

namespace ciliumcore::ccore {

void AddDoctorCommand(CLI::App& app);
void AddFlowCommands(CLI::App& app);  // flows, drops
void AddLabCommands(CLI::App& app);
void AddMapCommands(CLI::App& app);
void AddPacketCommands(CLI::App& app);
void AddPolicyCommands(CLI::App& app);
void AddServiceCommands(CLI::App& app);
void AddStatusCommand(CLI::App& app);

}  // namespace ciliumcore::ccore

#endif  // CILIUMCORE_TOOLS_CCORE_NOUNS_H_
