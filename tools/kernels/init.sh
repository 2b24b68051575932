#!/bin/busybox sh
# shellcheck shell=dash
# The guest's first process: the host's root, read-only, under an overlay.
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
$b mount -t devtmpfs dev /dev
die() {
  echo "init: $*" >/dev/console
  $b reboot -f
}

while read -r module; do
  $b insmod "$module" || die "insmod $module"
done </modules/order

options=trans=virtio,version=9p2000.L,msize=262144
$b mount -t 9p -o "$options,cache=loose,ro" root /lower || die "no root"
$b mount -t tmpfs -o size=75% tmpfs /upper
$b mkdir /upper/files /upper/work
$b mount -t overlay -o lowerdir=/lower,upperdir=/upper/files,workdir=/upper/work overlay /root ||
  die "no overlay"

for word in $($b cat /proc/cmdline); do
  case $word in
    guest_out=*) out=${word#*=} ;;
  esac
done
# The overlay shows the directory as it was; from here on it is written through.
$b mount -t 9p -o "$options,cache=none" out "/root$out" || die "no $out"
for fs in proc sys dev; do
  $b mount --move "/$fs" "/root/$fs"
done
exec $b switch_root /root /bin/bash "$out/guest.sh"
