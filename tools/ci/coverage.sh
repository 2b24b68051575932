#!/bin/bash
# Runs tests instrumented and prints line coverage of lib/, bpf/ and include/.
# What is only seen in a kernel counts as not covered: the native twins count.
#
#   tools/ci/coverage.sh [TARGET...]        default: //tests/...
#   HTML=DIR tools/ci/coverage.sh ...       also writes annotated sources to DIR
set -euo pipefail
cd "$(dirname "$0")/../.."
[ $# -gt 0 ] || set -- //tests/...

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LLVM_PROFILE_FILE=$work/%p-%m.profraw
failed=0
bazel test --config=cov --nocache_test_results --keep_going --noshow_progress "$@" || failed=1

binaries=()
for label in $(bazel query "kind(cc_test, tests(set($*)))" 2>/dev/null); do
  path=${label#//}
  binaries+=(-object "bazel-bin/${path/://}")
done
llvm-profdata-19 merge -sparse "$work"/*.profraw -o "$work/all"
only=(-instr-profile "$work/all" -ignore-filename-regex '/usr/|(^|/)(tests|bazel-out|external)/' "${binaries[@]}")
llvm-cov-19 report "${only[@]}" -show-region-summary=false -show-branch-summary=false |
  tee "$work/report"
awk '
  $1 ~ /^bpf\/(lib\/|[^\/]*\.bpf\.c)/ { part = "the programs" }
  $1 ~ /^(lib|include)\// { part = "the library" }
  part != "" && $5 > 0 { lines[part] += $5; missed[part] += $6 }
  { part = "" }
  END {
    for (part in lines)
      printf "%s: %d of %d lines, %.1f %%\n", part, lines[part] - missed[part],
        lines[part], 100 * (1 - missed[part] / lines[part])
  }' "$work/report"
[ -z "${HTML:-}" ] || llvm-cov-19 show "${only[@]}" -format=html -output-dir="$HTML"
[ $failed -eq 0 ] || { echo "Some tests failed: the numbers are not theirs" >&2; exit 1; }
