#!/bin/bash
# Installs headers, one static library and a pkg-config file, for programs that
# are not built with Bazel:
#
#   tools/package/install.sh [PREFIX]     default: /usr/local; DESTDIR is honoured
#   c++ -std=c++20 main.cc $(pkg-config --cflags --libs ciliumcore)
#
# A program built against it is tied to the distribution's abseil.
set -euo pipefail
cd "$(dirname "$0")/../.."
prefix=${1:-/usr/local}
root=${DESTDIR:-}$prefix
version=$(cat tools/package/version)

bazel build --compilation_mode=opt --force_pic --noshow_progress -- \
  //lib/... -//lib/testing/...

archive=$(mktemp -d)
trap 'rm -rf "$archive"' EXIT
{
  echo "create $archive/libciliumcore.a"
  for layer in lib/*/; do
    layer=$(basename "$layer")
    [ "$layer" != testing ] || continue
    for built in "bazel-bin/lib/$layer/lib$layer".{pic.a,a}; do
      [ ! -e "$built" ] || { echo "addlib $built"; break; }
    done
  done
  echo save
  echo end
} | ar -M

install -d "$root/lib/pkgconfig" "$root/include"
install -m 644 "$archive/libciliumcore.a" "$root/lib/"
find include/ciliumcore -name '*.h' ! -path '*/testing/*' -printf '%P\n' | while read -r header; do
  install -D -m 644 "include/ciliumcore/$header" "$root/include/ciliumcore/$header"
done
sed -e "s|@PREFIX@|$prefix|" -e "s|@VERSION@|$version|" tools/package/ciliumcore.pc.in \
  >"$root/lib/pkgconfig/ciliumcore.pc"
echo "Installed ciliumcore $version under $root"
