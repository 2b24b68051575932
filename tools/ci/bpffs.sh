# shellcheck shell=bash
# Sourced. Kernel tests pin under /sys/fs/bpf: mount it where the machine has not.
ensure_bpffs() {
  grep -q ' /sys/fs/bpf bpf ' /proc/mounts && return
  if [ "$(id -u)" -eq 0 ] && mount -t bpf bpf /sys/fs/bpf 2>/dev/null; then
    echo "Mounted bpffs on /sys/fs/bpf"
  else
    echo "No bpffs on /sys/fs/bpf and no right to mount it: kernel tests will skip" >&2
  fi
}
