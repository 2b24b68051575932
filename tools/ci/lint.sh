#!/bin/bash
# Format, clang-tidy, shellcheck, layers. Every finding is an error.
#
#   tools/ci/lint.sh          check
#   tools/ci/lint.sh --fix    format in place, and nothing else
set -uo pipefail
cd "$(dirname "$0")/../.." || exit

mapfile -t sources < <(git ls-files '*.h' '*.c' '*.cc')
# The C++ among the C of the kernel side, which has a style of its own.
mapfile -t cpp_amid_c < <(git grep -l '^namespace' -- bpf include/ciliumcore/abi)
mapfile -t scripts < <(git ls-files '*.sh')
mapfile -t tidied < <(git ls-files 'lib/*.cc')

status=0
format() {
  local file others=()
  for file in "${sources[@]}"; do
    [[ " ${cpp_amid_c[*]} " == *" $file "* ]] || others+=("$file")
  done
  [ ${#others[@]} -eq 0 ] || clang-format-14 "$@" "${others[@]}" || return
  [ ${#cpp_amid_c[@]} -eq 0 ] || clang-format-14 --style=file:.clang-format "$@" "${cpp_amid_c[@]}"
}

step() {
  echo "== $1"
  shift
  "$@" || status=1
}

tidy() {
  # Skeletons are generated; the warnings of their dependencies are not ours.
  bazel build --noshow_progress //bpf:skeletons 2>/dev/null
  printf '%s\0' "${tidied[@]}" |
    xargs -0 -r -n 4 -P "$(nproc)" sh -c \
      'clang-tidy-14 --quiet "$@" -- -std=c++20 -I. -Iinclude -isystem bazel-bin 2>/dev/null' tidy
}

if [ "${1:-}" = --fix ]; then
  format -i
  exit
fi

step format format --dry-run -Werror
step shellcheck shellcheck -x -S warning "${scripts[@]}"
step layers tests/layers_test.py
step clang-tidy tidy
exit $status
