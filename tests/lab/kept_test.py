#!/usr/bin/python3
"""A lab that stays: its process is killed under open connections, others take it
over, and in the end nothing is left.

Usage: kept_test.py CCORE MANIFEST
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time

from lab_run import in_own_namespaces, places

# Echoes lines over a connection that it opens by name.
TALK = """
import socket, sys
peer = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=5)
print("open", flush=True)
for line in sys.stdin:
    peer.settimeout(float(line.split()[0]))
    data = line.split()[1].encode() + b"\\n"
    try:
        peer.sendall(data)
        got = b""
        while data not in got:
            part = peer.recv(4096)
            if not part:
                raise OSError("closed")
            got += part
        print("yes", flush=True)
    except OSError as error:
        print("no:", error, flush=True)
"""

# Whether a connection to a name comes about.
TRY = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=2)
    print("yes")
except OSError as error:
    print("no:", error)
"""

CONNECTIONS = 5
LAB = f"test-{os.stat('/proc/self/ns/pid').st_ino}"  # cgroups are everybody's


def lab(verb, *options, check=0):
    """Runs `ccore lab VERB`; what it printed."""
    name = [] if "--name" in options else ["--name", LAB]
    done = subprocess.run([CCORE, "lab", verb, *name, *options], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=120, check=False)
    text = done.stdout.decode()
    assert done.returncode == check, (verb, options, done.returncode, text[-3000:])
    return text


def attempt(pod, name, port):
    return lab("exec", pod, "--", "/usr/bin/python3", "-c", TRY, name, str(port)).strip()


class Talker:
    """A connection that a pod opens by name."""

    def __init__(self, pod, name, port):
        self.process = subprocess.Popen(
            [CCORE, "lab", "exec", "--name", LAB, pod, "--", "/usr/bin/python3", "-c", TALK, name,
             str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.lines = 0
        assert self.process.stdout.readline() == b"open\n"

    def talks(self, timeout):
        self.lines += 1
        self.process.stdin.write(f"{timeout} line-{self.lines}\n".encode())
        self.process.stdin.flush()
        return self.process.stdout.readline() == b"yes\n"


def run_and_kill():
    """A lab whose process is killed, with connections that go on."""
    process = subprocess.Popen([CCORE, "lab", "run", "-f", MANIFEST, "--keep", "--name", LAB,
                                "--for", "100"], stdout=subprocess.PIPE)
    while b"The lab is up" not in process.stdout.readline():
        assert process.poll() is None, "the lab did not come up"
    assert "another process" in lab("attach", "--probe", check=2)
    talkers = [Talker("town/buyer", name, 80)
               for name in ("shop", "shop.town", "shop.town.svc", "shop.town.svc.cluster.local")]
    talkers.append(Talker("town/buyer", "sticky", 8000))
    assert len(talkers) == CONNECTIONS
    assert all(talker.talks(5) for talker in talkers)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return talkers


def check_nobody_runs(talkers):
    """Policy and services are in force while no process runs."""
    assert all(talker.talks(5) for talker in talkers), "a connection ended with the process"
    assert attempt("town/buyer", "shop", 80) == "yes"
    assert attempt("town/thief", "shop", 80).startswith("no: "), "nobody judges"
    refused = attempt("town/buyer", "closed", 80)
    assert refused == "no: [Errno 111] Connection refused", refused
    assert "stands" in lab("run", "-f", MANIFEST, "--keep", check=2)


def check_takes_over(talkers):
    """By the same manifests, and by others, under the same connections."""
    result = json.loads(subprocess.run(
        [CCORE, "lab", "attach", "--name", LAB, "--probe", "-o", "json"],
        stdout=subprocess.PIPE, timeout=120, check=True).stdout)
    assert result["disagree"] == 0 and len(result["probes"]) > 50
    assert all(talker.talks(5) for talker in talkers), "a connection ended with the adoption"
    with open(MANIFEST, encoding="utf-8") as file:
        text = file.read()
    changed = text.replace("matchLabels: {app: buyer}", "matchLabels: {app: nobody}")
    assert changed != text
    # In front: the others keep the addresses that they were given.
    changed = ("apiVersion: v1\nkind: Pod\nmetadata: {name: late, namespace: town, labels: "
               "{app: nobody}}\nspec: {containers: [{name: c}]}\n---\n" + changed)
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(changed)
        file.flush()
        told = lab("attach", "-f", file.name, "--probe")
        assert "disagree: 0" in told, told
    assert attempt("town/late", "shop.town", 80) == "yes"
    assert not any(talker.talks(0.5) for talker in talkers), "a connection outlived its policy"
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(text)
        file.flush()
        lab("attach", "-f", file.name, "--for", "0.1")
    assert all(talker.talks(30) for talker in talkers), "a connection did not come back"
    assert "no pod town/late" in lab("exec", "town/late", "--", "true", check=2)


def check_bad_input():
    """A lab that cannot come up leaves nothing."""
    assert f"no lab {LAB} stands" in lab("attach", check=2)
    refused = lab("run", "-f", MANIFEST, "--keep", "--bpffs", "/run", check=2)
    assert "/run: expected a bpf file system" in refused, refused
    assert not places(LAB), places(LAB)
    refused = lab("stop", "--name", "a/b", check=2)
    assert "expected 1 to 32 of a-z, 0-9 and '-', found \"a/b\"" in refused, refused


def main():
    check_bad_input()
    talkers = run_and_kill()
    check_nobody_runs(talkers)
    check_takes_over(talkers)
    assert len(places(LAB)) > 5, places(LAB)
    lab("stop")
    assert not places(LAB), places(LAB)
    for talker in talkers:
        talker.process.wait(timeout=10)
    assert f"no lab {LAB} stands" in lab("stop", check=2)
    assert "stands" in lab("attach", check=2)
    print(f"{CONNECTIONS} connections survived the process and two successors")


CCORE, MANIFEST = sys.argv[1:3]
in_own_namespaces()
try:
    main()
finally:
    if places(LAB):
        lab("stop")
