#!/bin/bash
# What runs in each kernel, from the root of the tree, after a build: every
# object is loaded, then every test that is given. Lines for the table go to
# stdout as "what <tab> which <tab> result", everything else to stderr.
#
#   tools/kernels/suite.sh [TEST_BINARY...]
set -uo pipefail
status=0

# kfuncs of connection tracking exist once the module does.
modprobe -q nf_conntrack 2>/dev/null

objects=()
for source in bpf/*.bpf.c; do
  [ ! -e "$source" ] || objects+=("bazel-bin/${source%.c}.o")
done
bazel-bin/tools/kernels/load_objects "${objects[@]}" || status=1

for test; do
  # The working directory is that of `bazel test`.
  if (cd "$test.runfiles/ciliumcore" && "$OLDPWD/$test") >/dev/shm/log 2>&1; then
    result=passed
  else
    result=FAILED status=1
    tail -n 60 /dev/shm/log >&2
  fi
  printf 'test\t%s\t%s\n' "$(basename "$test")" "$result"
done
exit $status
