# shellcheck shell=bash
# Second stage in the guest: what a running system has mounted, then the command.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
for word in $(</proc/cmdline); do
  case $word in
    guest_modules=*) modules=${word#*=} ;;
    guest_out=*) export GUEST_OUT=${word#*=} ;;
  esac
done

mount -t tmpfs tmpfs /run
mkdir -p /run/netns /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t bpf bpf /sys/fs/bpf
mount -t debugfs debugfs /sys/kernel/debug
mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null
ln -sfn /proc/self/fd /dev/fd
for stream in 0:stdin 1:stdout 2:stderr; do
  ln -sfn "fd/${stream%:*}" "/dev/${stream#*:}"
done

mkdir -p "/usr/lib/modules/$(uname -r)"
mount --bind "$modules" "/usr/lib/modules/$(uname -r)"
ip link set lo up

for port in /sys/class/virtio-ports/*; do
  [ "$(cat "$port/name")" = stdout ] && console=/dev/${port##*/}
done
bash "$GUEST_OUT/command" </dev/null >"$console" 2>&1
echo $? >"$GUEST_OUT/status.new"
mv "$GUEST_OUT/status.new" "$GUEST_OUT/status"
sync
/bin/busybox reboot -f
