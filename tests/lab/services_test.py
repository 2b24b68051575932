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
    ("town/buyer", "town/nameless:80", "80/TCP", False),
    ("town/buyer", "town/empty:80", "80/TCP", False),
    ("town/thief", "town/shop:web", "80/TCP", False),
    ("town/thief", "town/shop:dns", "53/UDP", False),
    ("town/thief", "town/sticky:web", "8000/TCP", False),
]

# Of one address family only; whether it is reached.
SLICED = {"town/buyer": True, "town/thief": False}

CONNECTS = 3000
# Chi-squared by degrees of freedom: more has a probability of 0.001.
CRITICAL = {1: 10.828}

NOTES = [
    "service town/closed:80 10.96.0.1:80/TCP: it selects no pod",
    "service town/closed:80 [fd00:10:96::1]:80/TCP: it selects no pod",
    "service town/nameless:80 10.96.0.2:80/TCP: no pod that it selects has a port grpc",
    "service town/empty:80 10.96.0.3:80/TCP: it has no selector and no slices",
    "service town/sliced:web [fd00:10:96::4]:80/TCP: its slices have no endpoint of its family "
    "that is ready",
]


def chi_squared(counts):
    mean = sum(counts) / len(counts)
    return sum((count - mean) ** 2 / mean for count in counts)


def uneven(result):
    """The services that do not spread evenly over their two pods."""
    found = []
    for service in result["services"]:
        counts = [backend["connects"] for backend in service["backends"]]
        print(service["name"], service["frontend"], counts)
        assert sum(counts) == service["connects"] == CONNECTS, service
        if service["name"].startswith("town/shop:"):
            assert len(counts) == 2, service
            if chi_squared(counts) > CRITICAL[1]:
                found.append(service)
    return found


def check_spread(ccore, manifest, result):
    spread = {service["name"]: service["backends"] for service in result["services"]}
    assert set(spread) == {"town/shop:web", "town/shop:dns", "town/sticky:web", "town/sliced:web"}
    # One client, one backend; and who ends gets nobody.
    assert len(spread["town/sticky:web"]) == 1, spread
    assert [backend["pod"] for backend in spread["town/sliced:web"]] == ["town/shop-1"], spread
    # Chance fails one in 250 of these; not twice in a row.
    if uneven(result):
        again, _ = probe(ccore, manifest, "--connects", str(CONNECTS))
        assert not uneven(again)


def main(ccore, manifest):
    result, notes = probe(ccore, manifest, "--connects", str(CONNECTS))
    probes = result["probes"]
    assert result["names"] > 0 and result["wrongNames"] == [], result["wrongNames"]
    check_spread(ccore, manifest, result)
    reached = {}
    for one in probes:
        reached.setdefault((one["src"], one["dst"], one["port"]), set()).add(one["reached"])
    for src, service, port, wanted in FACTS:
        found = reached[(src, f"service {service}", port)]
        assert found == {wanted}, f"{src} -> {service}: by hand {wanted}"
    for src, wanted in SLICED.items():
        assert reached[(src, "service town/sliced:web", "80/TCP")] >= {wanted}, src
    for note in NOTES:
        assert f"note: {note}" in notes, note
    print(f"{len(probes)} probes agree, {len(FACTS)} services of them by hand")


main(*sys.argv[1:])
