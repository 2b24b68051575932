#!/bin/bash
# Installs the library for programs that are not built with Bazel, and ccore:
#
#   tools/package/install.sh [PREFIX]     default: /usr/local; DESTDIR is honoured
#   BUILT=DIR tools/package/install.sh    what to build is built already, in DIR
#
#   find_package(ciliumcore CONFIG REQUIRED)           ciliumcore::ciliumcore, ::static, ::testing
#       COMPONENTS flow_proto                          ciliumcore::flow_proto; needs protobuf
#   c++ -std=c++20 main.cc $(pkg-config --cflags --libs ciliumcore)
#
# The tree may be moved afterwards: nothing in it names PREFIX. A program built
# against it is tied to the distribution's abseil, and to its protobuf if it uses that.
set -euo pipefail
cd "$(dirname "$0")/../.."
prefix=${1:-/usr/local}
[[ $prefix = /* ]] || { echo "install.sh: PREFIX is an absolute path, found '$prefix'" >&2; exit 2; }
root=${DESTDIR:-}$prefix
version=$(cat tools/package/version)
IFS=. read -r major minor _ <<<"$version"

if [ -z "${BUILT:-}" ]; then
  bazel build --compilation_mode=opt --force_pic --noshow_progress //tools/package:built
  BUILT=bazel-bin
fi

# Of abseil, what the headers need.
absl=(cord flat_hash_map hash int128 status statusor str_format strings synchronization time)
fill_in() {
  sed -e "s|@VERSION@|$version|g" -e "s|@SOVERSION@|$major|g" \
    -e "s|@MAJOR@|$major|g" -e "s|@MINOR@|$minor|g" \
    -e "s|@ABSL_PC@|${absl[*]/#/absl_}|" -e "s|@ABSL_CMAKE@|${absl[*]/#/absl::}|" \
    "tools/package/$1.in" >"$root/$2/$1"
  chmod 644 "$root/$2/$1"
}

install -d "$root"/{bin,include,lib/{cmake/ciliumcore,pkgconfig},share/doc/ciliumcore/LICENSES}
install -m 755 "$BUILT/tools/ccore/ccore" "$root/bin/"
install -m 644 "$BUILT"/tools/package/libciliumcore{,_flow_proto,_testing}.a "$root/lib/"
install -m 644 "$BUILT/tools/package/libciliumcore.so" "$root/lib/libciliumcore.so.$version"
ln -sf "libciliumcore.so.$version" "$root/lib/libciliumcore.so.$major"
ln -sf "libciliumcore.so.$major" "$root/lib/libciliumcore.so"
(cd include && find ciliumcore -name '*.h') | while read -r header; do
  install -D -m 644 "include/$header" "$root/include/$header"
done
install -D -m 644 -t "$root/include/ciliumcore/flow/v1" \
  "$BUILT/proto/ciliumcore/flow/v1/flow.pb.h" proto/ciliumcore/flow/v1/flow.proto
for package in ciliumcore ciliumcore-flow-proto ciliumcore-static ciliumcore-testing; do
  fill_in $package.pc lib/pkgconfig
done
fill_in ciliumcoreConfig.cmake lib/cmake/ciliumcore
fill_in ciliumcoreConfigVersion.cmake lib/cmake/ciliumcore
install -m 644 LICENSE "$root/share/doc/ciliumcore/"
install -m 644 LICENSES/* "$root/share/doc/ciliumcore/LICENSES/"
echo "Installed ciliumcore $version under $root"
