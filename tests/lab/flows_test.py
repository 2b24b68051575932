#!/usr/bin/python3
"""Flows of a lab: what is printed is what was asked for, and drops come with the
rules that made them and with what to look at.

Usage: flows_test.py CCORE MANIFEST
"""

import json
import os
import subprocess
import sys


def run(ccore, manifest, *arguments):
    done = subprocess.run([ccore, "lab", "run", "-f", manifest, *arguments],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def flows_of(output):
    return [json.loads(line) for line in output.splitlines() if line.startswith('{"monotonic_ns"')]


def main(ccore, manifest):
    code, output, errors = run(ccore, manifest, "--probe", "--filter", "pod=town/thief verdict=maybe")
    assert code == 2 and not output, (code, output)
    assert 'filter verdict=maybe: expected forwarded, dropped or audited, found "maybe"' in errors, errors
    if os.geteuid() != 0:
        assert os.environ.get("CI") != "true", "the lab needs root"
        print("skipped: the lab needs root")
        return

    code, output, errors = run(ccore, manifest, "--probe", "--flows", "--drops", "--flow-output", "json",
                               "--filter", "from-pod=town/thief verdict=dropped")
    assert code == 0, (code, output[-2000:], errors)
    flows = flows_of(output)
    assert flows, output[-2000:]
    for flow in flows:
        assert flow["verdict"] == "DROPPED", flow
        assert flow["drop_reason_desc"] == "POLICY_DENIED", flow
        assert (flow["source"]["namespace"], flow["source"]["pod_name"]) == ("town", "thief"), flow
        assert "NetworkPolicy town/" in flow["ingress"]["why"], flow
        assert any("io.kubernetes.pod.namespace=town" in label for label in flow["source"]["labels"]), flow
    services = {flow.get("service") for flow in flows}
    assert "town/shop:web" in services, services
    drops = output[output.index(" dropped: policy denied"):]
    assert "  such as   town/thief -> " in drops, drops
    assert "  by        default deny: isolated for ingress by NetworkPolicy town/" in drops, drops
    assert "  look at   no rule of the policies that isolate the endpoint allows it" in drops, drops

    # Connections begin and end, and the ends say how much they carried.
    code, output, errors = run(ccore, manifest, "--probe", "--flows", "--flow-output", "json",
                               "--filter", "kind=new,end from-pod=town/buyer protocol=tcp")
    assert code == 0, (code, output[-2000:], errors)
    kinds = {}
    for flow in flows_of(output):
        kinds.setdefault(flow["kind"], []).append(flow)
    assert set(kinds) == {"NEW_CONNECTION", "END_OF_CONNECTION"}, kinds.keys()
    ended = [flow for flow in kinds["END_OF_CONNECTION"] if flow["sent"]["packets"] > 2]
    assert ended and all(flow["answered"]["packets"] > 0 for flow in ended), kinds["END_OF_CONNECTION"]
    print(f"{len(flows)} drops of the thief, {len(ended)} connections of the buyer carried data")


main(*sys.argv[1:])
