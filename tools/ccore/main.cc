// SPDX-License-Identifier: Apache-2.0

// ccore: asks and drives datapaths from the command line. Each noun has a file.

#include "CLI/CLI.hpp"
#include "tools/ccore/command.h"
#include "tools/ccore/nouns.h"

int main(int argc, char** argv) {
  namespace ccore = ciliumcore::ccore;
  CLI::App app("Identity-aware eBPF datapaths from the command line.", "ccore");
  app.require_subcommand(1);
  ccore::AddDoctorCommand(app);
  ccore::AddFlowCommands(app);
  ccore::AddLabCommands(app);
  ccore::AddMapCommands(app);
  ccore::AddPacketCommands(app);
  ccore::AddPolicyCommands(app);
  ccore::AddServiceCommands(app);
  ccore::AddStatusCommand(app);

  try {
    app.parse(argc, argv);
  } catch (const CLI::RuntimeError& end) {
    return end.get_exit_code();
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    std::cerr << "ccore: " << error.what() << "\n"
              << "Run with --help for more information.\n";
    return ccore::kBadInput;
  }
  return ccore::kOk;
}
