#!/bin/bash
# Fetches Debian's kernel of a series, without installing it, and builds an
# initramfs that reaches this machine's root. Prints its directory, which holds
# vmlinuz, initramfs and modules/. Idempotent.
#
#   tools/kernels/fetch.sh 6.1|6.12
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
cache=${XDG_CACHE_HOME:-$HOME/.cache}/ciliumcore/kernels

case ${1:-} in
  6.1) meta=linux-image-amd64 ;;
  6.12) meta=linux-image-6.12-amd64 ;;
  *) echo "fetch.sh: which kernel, 6.1 or 6.12?" >&2; exit 2 ;;
esac
dir=$cache/$1
if [ -e "$dir/initramfs" ] && [ "$dir/initramfs" -nt "$here/init.sh" ]; then
  echo "$dir"
  exit
fi

"$here/../setup/install.sh" kernels >&2
package_of() { apt-cache depends "$1" 2>/dev/null | awk '/Depends: linux-image-/ { print $2; exit }'; }
package=$(package_of $meta)
if [ -z "$package" ]; then
  apt-get -qq update >&2
  package=$(package_of $meta)
fi
[ -n "$package" ] || { echo "fetch.sh: the archive has no $meta" >&2; exit 1; }
release=${package#linux-image-}

work=$dir.new
rm -rf "$work"
mkdir -p "$work/deb" "$work/initramfs.d"/{bin,modules,proc,sys,dev,lower,upper,root}
cd "$work"
echo "Fetching $package" >&2
(cd deb && apt-get -qq -o APT::Sandbox::User=root download "$package" >&2)
dpkg -x deb/*.deb unpacked
rm -r deb
mv "unpacked/boot/vmlinuz-$release" vmlinuz
/sbin/depmod -b unpacked "$release"

# The few modules between the kernel and a 9p root, in the order to load them.
for module in virtio_pci 9pnet_virtio 9p overlay virtio_console; do
  /sbin/modprobe -d unpacked -S "$release" --show-depends "$module" | awk '$1 == "insmod" { print $2 }'
done | awk '!seen[$0]++' | while read -r file; do
  name=$(basename "$file")
  target=initramfs.d/modules/${name%.xz}
  case $file in
    *.xz) xz -dc "$file" >"$target" ;;
    *) cp "$file" "$target" ;;
  esac
  echo "/modules/${name%.xz}" >>initramfs.d/modules/order
done
cp /bin/busybox initramfs.d/bin/
cp "$here/init.sh" initramfs.d/init
chmod +x initramfs.d/init
(cd initramfs.d && find . | cpio --quiet -o -H newc | gzip -1) >initramfs.new
mv "unpacked/lib/modules/$release" modules
rm -r unpacked initramfs.d
mv initramfs.new initramfs
rm -rf "$dir"
mv "$work" "$dir"
echo "$dir"
