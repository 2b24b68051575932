#!/bin/bash
# Fuzzes the programs and the parsers from their seeds, under the address and
# undefined-behaviour sanitizers, two fuzzers at a time. Prints one line for each;
# an input that breaks something is kept, and its path printed.
#
#   tools/ci/fuzz.sh [SECONDS [RESULTS]]     SECONDS per fuzzer, 30 unless told;
#                                            "TARGET OUTCOME" lines go to RESULTS
#   SEED=N tools/ci/fuzz.sh                  other mutations than the usual ones
#   CRASHES=DIR tools/ci/fuzz.sh             where to keep inputs
set -euo pipefail
cd "$(dirname "$0")/../.."

seconds=${1:-30}
results=${2:-/dev/null}
fuzzers=(endpoint label manifest selector)
targets=()
for name in "${fuzzers[@]}"; do targets+=("//tests/fuzz:${name}_fuzz"); done
export seconds seed=${SEED:-1}
export crashes=${CRASHES:-${TMPDIR:-/tmp}/ciliumcore-crashes}

# Only these: the rest of the tree needs no third build.
if ! bazel build --config=fuzz --noshow_progress //tests/fuzz:endpoint_seed_files \
  "${targets[@]}"; then
  printf '%s failed\n' "${targets[@]}" >"$results"
  exit 1
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export work
mkdir -p "$crashes"

for name in "${fuzzers[@]}"; do mkdir "$work/$name"; done
cp bazel-bin/tests/fuzz/seeds/endpoint_* "$work/endpoint"
cp tests/fuzz/seeds/labels.txt "$work/label"
cp tests/fuzz/seeds/*.yaml "$work/manifest"
cp tests/fuzz/seeds/selector.txt "$work/selector"
chmod -R u+w "$work"

fuzz() {
  local name=$1 outcome=passed log=$work/$1.log
  "bazel-bin/tests/fuzz/${name}_fuzz" -max_total_time="$seconds" -seed="$seed" \
    -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="$crashes/${name}-" "$work/$name" >"$log" 2>&1 || outcome=failed
  echo "//tests/fuzz:${name}_fuzz $outcome" >>"$work/results"
  awk -v name="$name" '
    / cov: / { for (i = 1; i < NF; ++i) if ($i == "cov:") cov = $(i + 1) }
    / corp: / { for (i = 1; i < NF; ++i) if ($i == "corp:") corpus = $(i + 1) }
    /number_of_executed_units/ { runs = $2 }
    END {
      sub("/.*", "", corpus)
      printf "%s_fuzz: %d executions, %d edges covered, %d inputs in the corpus\n",
        name, runs, cov, corpus
    }' "$log"
  [ "$outcome" = passed ] || tail -n 60 "$log"
}
export -f fuzz

printf '%s\n' "${fuzzers[@]}" | xargs -P 2 -I{} bash -euc 'fuzz {}' || true
sort "$work/results" | tee "$results" >/dev/null
[ "$(grep -c ' passed$' "$work/results")" -eq ${#fuzzers[@]} ] || {
  echo "Inputs that fail are kept in $crashes" >&2
  exit 1
}
