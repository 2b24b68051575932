#!/usr/bin/python3
"""Probes services: who reaches them was thought through by hand.

Usage: services_test.py CCORE MANIFEST
"""

import json
import os
import subprocess
import sys

# Source, service, port; whether it is reached.
FACTS = [
    ("town/buyer", "town/shop:web", "80/TCP", True),
    ("town/buyer", "town/shop:dns", "53/UDP", True),
    ("town/buyer", "town/sticky:web", "8000/TCP", True),
    ("town/buyer", "town/closed:80", "80/TCP", False),
    ("town/thief", "town/shop:web", "80/TCP", False),
    ("town/thief", "town/shop:dns", "53/UDP", False),
    ("town/thief", "town/sticky:web", "8000/TCP", False),
]

NOTES = [
    "service town/closed:80 10.96.0.1:80/TCP: it selects no pod",
    "service town/closed:80 [fd00:10:96::1]:80/TCP: it selects no pod",
]


def main(ccore, manifest):
    if os.geteuid() != 0:
        assert os.environ.get("CI") != "true", "the lab needs root"
        print("skipped: the lab needs root")
        return
    done = subprocess.run([ccore, "lab", "run", "-f", manifest, "--probe", "-o", "json"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120, check=False)
    notes = done.stderr.decode()
    print(notes)
    assert done.returncode == 0, (done.returncode, done.stdout.decode()[-2000:])
    result = json.loads(done.stdout)
    assert result["disagree"] == 0, result["disagree"]
    reached = {}
    for probe in result["probes"]:
        reached.setdefault((probe["src"], probe["dst"], probe["port"]), set()).add(probe["reached"])
    for src, service, port, wanted in FACTS:
        assert reached[(src, f"service {service}", port)] == {wanted}, f"{src} -> {service}: by hand {wanted}"
    for note in NOTES:
        assert f"note: {note}\n" in notes, note
    print(f"{len(result['probes'])} probes agree, {len(FACTS)} of them by hand")


main(*sys.argv[1:])
