#!/usr/bin/python3
"""Holds the compiler, and real packets, against the shop's matrix.

The matrix was written by hand from the policies (examples/shop/expected.json).

Usage: shop_test.py compiler|packets CCORE SHOP_DIRECTORY
"""

import collections
import json
import os
import signal
import subprocess
import sys
import time

# What ports of services mean; who answers is named like the service.
SERVICE_PORTS = {
    "shop/web:http": "8080/TCP", "shop/cart:api": "7070/TCP", "shop/orders:api": "7071/TCP",
    "shop/payments:https": "8443/TCP", "data/db:postgres": "5432/TCP",
    "data/cache:redis": "6379/TCP", "infra/dns:dns": "53/UDP", "infra/dns:dns-tcp": "53/TCP",
}

POD_CIDRS = ["--pod-cidr", "10.244.0.0/16", "--pod-cidr", "fd00:10:244::/64"]


def ccore(*arguments):
    """Runs ccore; returns its exit status and what it printed."""
    done = subprocess.run([CCORE, *arguments], stdout=subprocess.PIPE, timeout=120, check=False)
    return done.returncode, done.stdout.decode()


def workload_of(host, expected):
    """The peer of the matrix that a host of the lab belongs to."""
    if "/" not in host:
        return host  # a range
    for peer in expected["peers"]:
        if host.rsplit("-", 1)[0] == peer.split("[")[0]:
            return peer
    raise AssertionError(f"no peer of the matrix is {host}")


def is_allowed(matrix, src, dst, port):
    number, protocol = port.split("/")
    return any(span["protocol"] == protocol and span["from"] <= int(number) <= span["to"]
               for span in matrix[(src, dst)])


def check_compiler(expected):
    status, text = ccore("policy", "matrix", "-f", MANIFESTS, *POD_CIDRS, "-o", "json")
    assert status == 0, status
    found = json.loads(text)
    assert found["peers"] == expected["peers"], found["peers"]
    for connection in found["connections"]:
        assert connection in expected["connections"], f"not expected: {connection}"
    for connection in expected["connections"]:
        assert connection in found["connections"], f"missing: {connection}"
    assert found == expected


def check_packets(expected):
    status, text = ccore("lab", "run", "-f", MANIFESTS, "--probe", "-o", "json")
    result = json.loads(text)
    assert status == 0 and result["disagree"] == 0, result["disagree"]
    matrix = collections.defaultdict(list)
    for connection in expected["connections"]:
        matrix[(connection["src"], connection["dst"])] = connection["allowed"]
    compared, of_services = 0, set()
    for probe in result["probes"]:
        if probe["dst"].startswith("service "):
            name = probe["dst"].split()[1]
            probe["port"] = SERVICE_PORTS[name]
            probe["dst"] = name.split(":")[0] + "-service"
            of_services.add(name)
        src, dst = (workload_of(probe[end], expected) for end in ("src", "dst"))
        if src == dst:
            continue  # replicas among themselves are not in a matrix
        wanted = is_allowed(matrix, src, dst, probe["port"])
        assert probe["reached"] == wanted, f"{probe}: by hand {wanted}"
        compared += 1
    assert compared > 900, compared
    assert of_services == set(SERVICE_PORTS), of_services
    assert result["names"] > 0 and result["wrongNames"] == [], result["wrongNames"]
    print(f"{compared} probes are as written by hand")


def check_fault():
    status, text = ccore("lab", "run", "-f", MANIFESTS, "--probe", "--plant-fault")
    assert status == 1, status
    assert "disagree: shop/" in text, text


def loaded_programs():
    shown = subprocess.run(["bpftool", "-j", "prog", "show"], stdout=subprocess.PIPE,
                           check=True).stdout
    return {program["id"] for program in json.loads(shown)}


def held_programs(pid):
    """The ids of the programs that a process holds descriptors of."""
    ids = set()
    for name in os.listdir(f"/proc/{pid}/fdinfo"):
        with open(f"/proc/{pid}/fdinfo/{name}", encoding="utf-8") as info:
            ids |= {int(line.split()[1]) for line in info if line.startswith("prog_id:")}
    return ids


def check_kill():
    """Killed without warning, a lab leaves nothing behind."""
    links = set(os.listdir("/sys/class/net"))
    lab = subprocess.Popen([CCORE, "lab", "run", "-f", MANIFESTS, "--for", "60"],
                           stdout=subprocess.PIPE)
    while b"The lab is up" not in lab.stdout.readline():
        assert lab.poll() is None, "the lab did not come up"
    loaded = held_programs(lab.pid)
    assert loaded, "the lab holds no program"
    lab.send_signal(signal.SIGKILL)
    lab.wait()
    for _ in range(100):  # the kernel dismantles namespaces in its own time
        left = loaded & loaded_programs()
        if not left:
            break
        time.sleep(0.1)
    assert not left, f"programs left behind: {left}"
    assert set(os.listdir("/sys/class/net")) <= links


MODE, CCORE, SHOP = sys.argv[1:]
MANIFESTS = os.path.join(SHOP, "manifests")
with open(os.path.join(SHOP, "expected.json"), encoding="utf-8") as file:
    EXPECTED = json.load(file)

if MODE == "compiler":
    check_compiler(EXPECTED)
else:
    if os.geteuid() != 0:
        assert os.environ.get("CI") != "true", "the lab needs root"
        print("skipped: the lab needs root")
        sys.exit(0)
    check_packets(EXPECTED)
    check_fault()
    check_kill()
