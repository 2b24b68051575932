#!/bin/bash
# Runs one command as root on another real kernel, under qemu's emulation.
#
#   tools/kernels/run.sh 6.1|6.12 [--timeout S] [--memory M] [--cpus N] -- COMMAND...
#
# The guest sees this machine's / read-only, under an overlay in its memory: the
# same paths, the same working directory, no network. Only $GUEST_OUT (printed
# with --keep) is written through. The status is the command's; 124 is a time-out,
# 125 a guest that died.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")

usage() { sed -n '2,4s/^# \{0,1\}//p' "$0" >&2; exit 2; }
say() { echo "run.sh: $*" >&2; }

[ $# -gt 1 ] || usage
series=$1; shift
timeout=300 memory=2G cpus=1 keep=
while [ "$1" != -- ]; do
  case $1 in
    --timeout) timeout=$2; shift 2 ;;
    --memory) memory=$2; shift 2 ;;
    --cpus) cpus=$2; shift 2 ;;
    --keep) keep=1; shift ;;
    *) usage ;;
  esac
  [ $# -gt 0 ] || usage
done
shift
[ $# -gt 0 ] || usage

kernel=$("$here/fetch.sh" "$series")  # a directory: vmlinuz, initramfs, modules/
out=$(mktemp -d "${TMPDIR:-/tmp}/ciliumcore-guest.XXXXXX")
cleanup() { [ -n "$keep" ] && say "kept $out" || rm -rf "$out"; }
trap cleanup EXIT

cp "$here/guest.sh" "$out/guest.sh"
{
  printf 'export CI=%q\n' "${CI:-}"
  printf 'cd %q && exec' "$PWD"
  printf ' %q' "$@"
  echo
} >"$out/command"

qemu=(
  qemu-system-x86_64 -M q35 -cpu max -accel "tcg,thread=multi" -smp "$cpus" -m "$memory"
  -nodefaults -nic none -no-reboot -display none -monitor none -serial "file:$out/console"
  -kernel "$kernel/vmlinuz" -initrd "$kernel/initramfs"
  -append "console=ttyS0 quiet loglevel=5 panic=-1 mitigations=off nokaslr tsc=reliable
    nowatchdog audit=0 apparmor=0 random.trust_cpu=on
    guest_modules=$kernel/modules guest_out=$out"
  -fsdev "local,id=root,path=/,security_model=passthrough,readonly=on,multidevs=remap"
  -device "virtio-9p-pci,fsdev=root,mount_tag=root"
  -fsdev "local,id=out,path=$out,security_model=passthrough"
  -device "virtio-9p-pci,fsdev=out,mount_tag=out"
  -device virtio-serial-pci -chardev "file,id=stdout,path=/dev/stdout,append=on"
  -device "virtserialport,chardev=stdout,name=stdout"
)
status=0
# Through cat: qemu opens /dev/stdout anew, which truncates a file.
timeout -k 5 "$timeout" nice "${qemu[@]//$'\n'/ }" </dev/null | cat || status=${PIPESTATUS[0]}

if [ -e "$out/status" ]; then
  exit "$(cat "$out/status")"
elif [ "$status" -eq 124 ] || [ "$status" -eq 137 ]; then
  say "no end after $timeout s"
  status=124
else
  say "the guest died"
  status=125
fi
tail -n 15 "$out/console" >&2
exit "$status"
