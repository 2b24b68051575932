#!/usr/bin/python3
"""`ccore flows` and `ccore drops` on a pinned instance that no process writes: who
spoke to whom, what was dropped, by which rules, and what to look at.

Usage: tail_test.py CCORE MANIFEST
"""

import json
import os
import re
import signal
import subprocess
import sys

from lab_run import in_own_namespaces, places

# Whether a connection to a name comes about; one that does carries a line.
TRY = """
import socket, sys
try:
    peer = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=0.5)
    peer.sendall(b"a line\\n")
    peer.recv(100)
    print("yes")
except OSError as error:
    print("no:", error)
"""

# Not what the kernels of pods send by themselves, whenever they do.
TCP = "protocol=tcp"
LAB = f"test-{os.stat('/proc/self/ns/pid').st_ino}"  # cgroups are everybody's
INSTANCE = f"lab-{LAB}"
DENIED = "default deny: isolated for ingress by NetworkPolicy town/buyers-only"
REMEDY = "no rule of the policies that isolate the endpoint allows it"


def ccore(*words, check=0):
    """What `ccore` prints, and what it says beside that."""
    done = subprocess.run([CCORE, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60,
                          check=False)
    output, errors = done.stdout.decode(), done.stderr.decode()
    assert done.returncode == check, (words, done.returncode, output[-2000:], errors)
    return output, errors


def tail(verb, *words, check=0):
    """As `ccore`, of the lab's instance."""
    return ccore(verb, "--instance", INSTANCE, *words, check=check)


def named(verb, *words):
    """What `tail` prints with the names of pods."""
    output, errors = tail(verb, "-f", MANIFEST, "--pod-cidr", "10.244.0.0/16", "--", *words)
    assert not errors, errors
    return output


def attempt(pod, name="shop", port=80):
    output, _ = ccore("lab", "exec", "--name", LAB, pod, "--", "/usr/bin/python3", "-c", TRY, name,
                      str(port))
    return output.startswith("yes")


def traffic():
    """One connection that is allowed and one that is not; before, nothing is unread."""
    tail("flows")
    assert attempt("town/buyer") and not attempt("town/thief")


def check_filters_that_are_none():
    """Bad ones are refused before anything is read."""
    traffic()
    for words, why in (
            (["verdict=maybe"], 'filter verdict=maybe: expected forwarded, dropped or audited, found "maybe"'),
            (["pot=town/thief"], "filter pot"),
            (["--filter", "pod=town/thief", "--filter", "port=many"], "filter port=many"),
            (["thief"], "thief")):
        for verb in "flows", "drops":
            output, errors = tail(verb, *words, check=2)
            assert not output, output
            assert errors.startswith("ccore: ") and why in errors, errors
    output, errors = ccore("flows", "--instance", "nobody", check=2)
    assert not output and errors.startswith("ccore: instance nobody: "), errors
    assert " dropped: policy denied\n  such as   town/thief -> " in named("drops", TCP)


def check_drops_as_json():
    """What a filter passes, and nothing else."""
    traffic()
    output, errors = tail("flows", "-f", MANIFEST, "--pod-cidr", "10.244.0.0/16", "--flow-output",
                          "json", "--", "from-pod=town/thief", "verdict=dropped")
    assert not errors, errors
    flows = [json.loads(line) for line in output.splitlines()]
    assert flows
    for flow in flows:
        assert (flow["verdict"], flow["kind"]) == ("DROPPED", "DROP"), flow
        assert flow["drop_reason_desc"] == "POLICY_DENIED", flow
        assert (flow["source"]["namespace"], flow["source"]["pod_name"]) == ("town", "thief"), flow
        assert flow["destination"]["pod_name"] in ("shop-1", "shop-2"), flow
        assert flow["ingress"]["why"].startswith(DENIED), flow
        assert flow["service"] == "town/shop:web", flow
        assert flow["l4"]["TCP"]["destination_port"] in (8080, 9090), flow


def check_flows_as_lines():
    """Of several filters one must pass; with and without the names of pods."""
    traffic()
    lines = named("flows", "--filter", "kind=new from-pod=town/buyer protocol=tcp", "--filter",
                  "kind=drop rule=town/buyers-only").splitlines()
    allowed = [line for line in lines if "(town/buyer) -> " in line]
    denied = [line for line in lines if "(town/thief) -> " in line]
    assert allowed and denied and len(lines) == len(allowed) + len(denied), lines
    assert all(" (town/shop-" in line for line in lines), lines
    assert all("allowed by NetworkPolicy town/buyers-only ingress[0]" in line for line in allowed), allowed
    assert all(DENIED in line for line in denied), denied
    traffic()
    output, errors = tail("flows", TCP, "verdict=dropped")
    lines = output.splitlines()
    assert lines and not errors, errors
    for line in lines:
        assert "(town/app=thief) -> " in line and "(town/app=shop)" in line, line
        assert "policy denied" in line and DENIED in line, line


def check_drops_are_explained():
    """By the reason and the rules that made them."""
    traffic()
    lines = named("drops", TCP).splitlines()
    assert re.fullmatch("[1-9][0-9]* dropped: policy denied", lines[0]), lines
    assert re.fullmatch("  such as   town/thief -> town/shop-[12] (8080|9090)/TCP", lines[1]), lines
    assert lines[2].startswith("  by        " + DENIED), lines
    assert lines[3].startswith("  look at   " + REMEDY), lines
    assert len(lines) == 4, lines
    traffic()
    assert named("drops", "from-pod=town/buyer") == "no drops\n"


def check_follows():
    """What comes while it lasts, and what was read when it is interrupted."""
    tail("flows")
    with subprocess.Popen([CCORE, "flows", "--instance", INSTANCE, "--follow", TCP, "verdict=dropped"],
                          stdout=subprocess.PIPE) as follower:
        assert not attempt("town/thief")
        assert b"(town/app=thief) -> " in follower.stdout.readline()
        follower.send_signal(signal.SIGINT)
        rest, _ = follower.communicate(timeout=10)
        assert follower.returncode == 0, follower.returncode
        assert all(b"(town/app=thief)" in line for line in rest.splitlines()), rest


def main():
    ccore("lab", "run", "-f", MANIFEST, "--keep", "--name", LAB, "--for", "0.1")
    check_filters_that_are_none()
    check_drops_as_json()
    check_flows_as_lines()
    check_drops_are_explained()
    check_follows()
    ccore("lab", "stop", "--name", LAB)
    assert not places(LAB), places(LAB)
    print("flows and drops of an instance without its process")


CCORE, MANIFEST = sys.argv[1:3]
in_own_namespaces()
try:
    main()
finally:
    if places(LAB):
        ccore("lab", "stop", "--name", LAB)
