#!/usr/bin/python3
"""Probes services: who reaches them was thought through by hand.

Usage: services_test.py CCORE MANIFEST
"""

import sys

from lab_run import probe

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
    probes, notes = probe(ccore, manifest)
    reached = {}
    for one in probes:
        reached.setdefault((one["src"], one["dst"], one["port"]), set()).add(one["reached"])
    for src, service, port, wanted in FACTS:
        found = reached[(src, f"service {service}", port)]
        assert found == {wanted}, f"{src} -> {service}: by hand {wanted}"
    for note in NOTES:
        assert f"note: {note}" in notes, note
    print(f"{len(probes)} probes agree, {len(FACTS)} services of them by hand")


main(*sys.argv[1:])
