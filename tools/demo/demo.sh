#!/bin/bash
# A cluster in a box, from real manifests, on real packets. Needs root.
set -euo pipefail
cd "$(dirname "$0")/../.."
bazel build --noshow_progress --ui_event_filters=-info //tools/ccore
# shellcheck source=tools/ci/bpffs.sh
. tools/ci/bpffs.sh
ensure_bpffs
ccore=bazel-bin/tools/ccore/ccore
name=demo-$$
# Also when it is interrupted: what it brings up would stay.
trap '"$ccore" lab stop --name "$name" 2>/dev/null || true' EXIT
"$ccore" lab demo --name "$name" -f examples/shop/manifests \
  --src shop/web-0 --dst shop/cart-0 --dport 7070/TCP --without shop/backends-from-web
