#!/bin/bash
# Loads every BPF object on this kernel, on 6.1 and on 6.12, runs there the tests
# tagged "guest", and prints one table: program x kernel, in verified instructions.
#
#   tools/kernels/test.sh [SERIES...]
set -euo pipefail
cd "$(dirname "$0")/../.."
[ $# -gt 0 ] || set -- 6.1 6.12

mapfile -t labels < <(bazel query 'attr(tags, "\bguest\b", tests(//...))' 2>/dev/null)
bazel build --noshow_progress //bpf:objects //tools/kernels:load_objects "${labels[@]}"
tests=("${labels[@]/#\/\//bazel-bin/}")
tests=("${tests[@]/://}")

results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
status=0
run() {
  local name=$1
  shift
  echo "== $name" >&2
  "$@" >"$results/$name" || status=1
}
if [ "$(id -u)" -eq 0 ]; then
  run host tools/kernels/suite.sh
fi
for series; do
  # One stream comes out of a guest; its last words are not the table's.
  run "$series" tools/kernels/run.sh "$series" --timeout 900 -- tools/kernels/suite.sh "${tests[@]}"
  grep -vP '^[^\t]+\t[^\t]+\t[^\t]+$' "$results/$series" >&2 || true
done

/usr/bin/python3 tools/kernels/table.py "$results"/*
exit $status
