#!/bin/bash
# Builds and tests everything, or the targets given; the last line is
# "N passed, N failed", counting test cases. Kernel tests skip by name without
# privilege; with CI=true each kernel target must run. With everything, each fuzzer
# runs for FUZZ_SECONDS (30) as well, two at a time.
#
#   tools/ci/test.sh [TARGET...] [--BAZEL_OPTION...]
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tools/ci/bpffs.sh
. tools/ci/bpffs.sh

targets=() options=()
for word; do
  case $word in
    --*) options+=("$word") ;;
    *) targets+=("$word") ;;
  esac
done
whole=false
[ ${#targets[@]} -gt 0 ] || { whole=true; targets=(//...); }

ensure_bpffs

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
summary=()
if [ "${CI:-}" = true ]; then
  options+=(--nocache_test_results)  # the machine's own answer, each time
  bazel query 'attr(tags, "\bkernel\b", tests(//...))' >"$work/kernel" 2>/dev/null
  summary+=(--kernel "$work/kernel")
fi

status=0
bazel test --keep_going --noshow_progress --build_event_json_file="$work/events" \
  "${options[@]}" "${targets[@]}" || status=$?
[ -s "$work/events" ] || { echo "0 passed, 1 failed"; exit 1; }
if $whole; then
  : >"$work/fuzz"
  tools/ci/fuzz.sh "${FUZZ_SECONDS:-30}" "$work/fuzz" || status=1
  summary+=(--fuzz "$work/fuzz")
fi
/usr/bin/python3 tools/ci/summary.py "$work/events" "${summary[@]}" || exit 1
exit "$status"
