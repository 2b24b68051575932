// SPDX-License-Identifier: Apache-2.0

// Runs the command-line tool, which the test has among its data.

#ifndef CILIUMCORE_TESTS_TOOLS_CCORE_H_
#define CILIUMCORE_TESTS_TOOLS_CCORE_H_

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <fstream>
#include <iterator>
#include <string>

#include "absl/strings/str_cat.h"

namespace ciliumcore::testing {

struct Ran {
  int code = -1;
  std::string out, err;
};

// `arguments` are words for a shell.
inline Ran Ccore(const std::string& arguments) {
  Ran ran;
  const std::string errors =
      absl::StrCat(getenv("TEST_TMPDIR"), "/ccore-errors");
  const std::string command =
      absl::StrCat("tools/ccore/ccore ", arguments, " 2>", errors);
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return ran;
  char buffer[4096];
  for (size_t n; (n = fread(buffer, 1, sizeof(buffer), pipe)) > 0;)
    ran.out.append(buffer, n);
  ran.code = WEXITSTATUS(pclose(pipe));
  std::ifstream told(errors);
  ran.err.assign(std::istreambuf_iterator<char>(told), {});
  return ran;
}

}  // namespace ciliumcore::testing

#endif  // CILIUMCORE_TESTS_TOOLS_CCORE_H_
