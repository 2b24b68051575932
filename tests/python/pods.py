# SPDX-License-Identifier: Apache-2.0
"""Pods for tests: network namespaces without names, which go with the process."""

import concurrent.futures
import contextlib
import ctypes
import os
import socket
import subprocess

import pytest

import ciliumcore as cc

CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)
ROOM = cc.DatapathCapacity(connections=4096, addresses=1024, prefixes=1024, services=64,
                           backends=256)


@pytest.fixture(scope="session", name="privilege")
def need_privilege():
    """Skips by name who may not load programs; with CI=true that is a failure."""
    try:
        cc.Datapath.open("privilege", capacity=ROOM).close()
    except cc.StatusError as error:
        if error.code != "PERMISSION_DENIED":
            raise
        assert os.environ.get("CI") != "true", error
        pytest.skip(f"it needs CAP_BPF and CAP_NET_ADMIN: {error}")


def shell(command):
    subprocess.run(command, shell=True, check=True)


def call(function, *arguments):
    if function(*arguments) != 0:
        raise OSError(ctypes.get_errno(), function.__name__)


def on_its_own_thread(work):
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


def within(netns, work):
    """What `work` returns in a network namespace."""
    def run():
        call(LIBC.setns, netns, CLONE_NEWNET)
        return work()
    return on_its_own_thread(run)


def own_netns():
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def new_netns():
    def run():
        call(LIBC.unshare, CLONE_NEWNET)
        return own_netns()
    return on_its_own_thread(run)


class Node:
    """The calling thread's namespace is the node's while this is entered."""

    def __enter__(self):
        self.home = own_netns()
        self.pods = {}
        call(LIBC.unshare, CLONE_NEWNET)
        shell("ip link set lo up && sysctl -qw net.ipv4.ip_forward=1")
        return self

    def __exit__(self, *_):
        for netns, _ in self.pods.values():
            os.close(netns)
        call(LIBC.setns, self.home, CLONE_NEWNET)
        os.close(self.home)

    def add_pod(self, name, address):
        """A namespace behind "veth-<name>", to which the node has a route.

        The node answers for the gateway itself, lest pods fall silent without programs.
        """
        netns = new_netns()
        host = f"veth-{name}"
        shell(f"ip link add {host} type veth peer name eth0 netns /proc/{os.getpid()}/fd/{netns}"
              f" && ip address add 169.254.1.1/32 dev {host}"
              f" && ip link set {host} up && ip route add {address}/32 dev {host}")
        within(netns, lambda: shell(
            f"ip link set lo up && ip link set eth0 up && ip address add {address}/32 dev eth0"
            " && ip route add 169.254.1.1 dev eth0 scope link"
            " && ip route add default via 169.254.1.1"))
        self.pods[name] = netns, address

    def listen(self, name, port):
        netns, address = self.pods[name]
        return within(netns, lambda: socket.create_server((address, port)))

    def connect(self, name, address, port, timeout=0.5):
        """A socket, or None if nobody answers."""
        def run():
            try:
                return socket.create_connection((address, port), timeout)
            except OSError:
                return None
        return within(self.pods[name][0], run)


@contextlib.contextmanager
def cgroup(below):
    """A cgroup of version 2 with the process in it, mounted for itself alone."""
    call(LIBC.unshare, CLONE_NEWNS)
    shell(f"mount --make-rprivate / && mount -t cgroup2 cgroup2 {below}")
    with open("/proc/self/cgroup", encoding="ascii") as file:
        home = next(line for line in file.read().splitlines() if line.startswith("0::"))[3:]
    path = f"{below}/ciliumcore-python-{os.getpid()}"
    os.mkdir(path)

    def move(to):
        with open(f"{to}/cgroup.procs", "w", encoding="ascii") as file:
            file.write(str(os.getpid()))

    try:
        move(path)
        yield path
    finally:
        move(f"{below}/{home}")
        os.rmdir(path)
        shell(f"umount {below}")
