#!/bin/bash
# Runs all benchmarks, or those whose names contain a word, and prints one table.
#
#   benchmarks/run.sh [--docs] [WORD]      --docs: also into docs/fast_path.md
set -euo pipefail
cd "$(dirname "$0")/.."

docs=()
[ "${1:-}" != --docs ] || { docs=(--docs docs/fast_path.md); shift; }

mapfile -t labels < <(bazel query 'kind(cc_binary, //benchmarks/...)' 2>/dev/null | grep -F -- "${1:-}")
bazel build -c opt --noshow_progress "${labels[@]}"

results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
for label in "${labels[@]}"; do
  binary=$PWD/bazel-bin/${label#//}
  binary=${binary/://}
  name=$(basename "$binary")
  options=()
  case $name in
    # Those of datapath/ take turns by themselves.
    maps_benchmark) options=(--benchmark_repetitions=11 --benchmark_enable_random_interleaving=true) ;;
  esac
  echo "== $name" >&2
  # Where `bazel run` begins: data is found from there.
  (cd "$binary.runfiles/ciliumcore" &&
    "$binary" "${options[@]}" --benchmark_out="$results/$name.json" --benchmark_out_format=json \
      --benchmark_format=console) >&2
done
/usr/bin/python3 benchmarks/report.py "${docs[@]}" "$results"/*.json
