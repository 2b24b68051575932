#!/bin/bash
# Installs what the project needs on Debian 12, from packages.txt; what is there
# already is left alone.
#
#   tools/setup/install.sh [GROUP...]     groups of packages.txt; default: build test
set -euo pipefail

list=$(dirname "$0")/packages.txt
[ $# -gt 0 ] || set -- build test

packages_of() {
  awk -v group="[$1]" '/^\[/ { on = $1 == group; next } on && $1 !~ /^#/ && NF { print $1 }' "$list"
}

is_installed() {
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

missing=()
for group; do
  packages=$(packages_of "$group")
  [ -n "$packages" ] || { echo "install.sh: no group '$group' in $list" >&2; exit 2; }
  for package in $packages; do
    is_installed "$package" || missing+=("$package")
  done
done
[ ${#missing[@]} -gt 0 ] || exit 0

echo "Installing: ${missing[*]}"
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "install.sh: run as root, or install sudo" >&2; exit 1; }
  as_root=(sudo)
fi
apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 "$@" >/dev/null; }
apt update || echo "install.sh: some package lists could not be refreshed" >&2
apt install -y --no-install-recommends "${missing[@]}"
