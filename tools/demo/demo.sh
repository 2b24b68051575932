#!/bin/bash
# A cluster in a box, from real manifests, on real packets. Needs root.
set -euo pipefail
cd "$(dirname "$0")/../.."
bazel build --noshow_progress --ui_event_filters=-info //tools/ccore
# shellcheck source=tools/ci/bpffs.sh
. tools/ci/bpffs.sh
ensure_bpffs
# Also when it is interrupted: what it brings up would stay.
trap 'bazel-bin/tools/ccore/ccore lab stop --name demo 2>/dev/null || true' EXIT
bazel-bin/tools/ccore/ccore lab demo -f examples/shop/manifests \
  --src shop/web-0 --dst shop/cart-0 --dport 7070/TCP --without shop/backends-from-web
