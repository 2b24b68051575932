#!/usr/bin/python3
"""Probes a cluster of special cases, and holds some of it against what was
thought through by hand.

Usage: mixed_test.py CCORE MANIFEST
"""

import sys

from lab_run import probe

BOTH4, BOTH6 = "10.244.0.1", "fd00:10:244::1"
PLAIN4, PLAIN6 = "10.244.0.2", "fd00:10:244::2"
FOUR, SIX, HOST4, HOST6 = "192.168.7.4", "fd77::6", "172.16.5.5", "fd55::5"

# Source, destination, port; whether it arrives.
FACTS = [
    # A port name means what the destination calls so.
    (PLAIN4, FOUR, "8080/TCP", True),
    (PLAIN4, BOTH4, "8081/TCP", True),
    (SIX, BOTH6, "8081/TCP", True),
    (BOTH4, FOUR, "8080/TCP", False),
    # An ipBlock covers pods, but for its exception.
    (PLAIN4, BOTH4, "9/TCP", False),
    (BOTH6, SIX, "53/UDP", True),
    (BOTH6, SIX, "80/TCP", False),
    (PLAIN6, SIX, "80/TCP", True),
    (SIX, PLAIN6, "10/UDP", True),
    # The host reaches its pods; they reach it as far as they may send.
    (HOST4, BOTH4, "9/TCP", True),
    (HOST4, FOUR, "8080/TCP", True),
    (HOST6, SIX, "53/UDP", True),
    (SIX, HOST6, "9998/TCP", True),
    (BOTH4, HOST4, "9999/TCP", True),
]

# The same, of ranges outside.
RANGE_FACTS = [
    ("192.0.2.0-192.0.2.255", BOTH4, "9/TCP", True),
    ("192.0.2.0-192.0.2.255", BOTH4, "32001/UDP", True),
    ("192.0.2.0-192.0.2.255", BOTH4, "8081/TCP", False),
    ("192.0.3.0-255.255.255.255", BOTH4, "9/TCP", False),
    (SIX, "2001:db8::-2001:db8:0:ffff:ffff:ffff:ffff:ffff", "443/TCP", True),
    (SIX, "2001:db8::-2001:db8:0:ffff:ffff:ffff:ffff:ffff", "5010/UDP", True),
    (SIX, "2001:db8::-2001:db8:0:ffff:ffff:ffff:ffff:ffff", "10/TCP", False),
    (SIX, "2001:db8:1::-2001:db8:1:ffff:ffff:ffff:ffff:ffff", "443/TCP", False),
    (PLAIN4, "192.0.3.0-255.255.255.255", "443/TCP", True),
]

NOTES = [
    "red/lost has no address: it is not probed",
    "127.0.0.0-127.255.255.255 has no address that a host can have: it is not probed",
]


def main(ccore, manifest):
    result, notes = probe(ccore, manifest)
    probes = result["probes"]
    reached = {}
    for one in probes:
        for src in (one["src"], one["srcAddress"]):
            for dst in (one["dst"], one["dstAddress"]):
                reached[(src, dst, one["port"])] = one["reached"]
    for src, dst, port, wanted in FACTS + RANGE_FACTS:
        assert reached[(src, dst, port)] == wanted, f"{src} -> {dst} {port}: by hand {wanted}"
    for note in NOTES:
        assert f"note: {note}" in notes, note
    assert not any(BOTH4 == end for note in notes for end in note.split()), "a pod's own range is the pod"
    print(f"{len(probes)} probes agree, {len(FACTS + RANGE_FACTS)} of them by hand")


main(*sys.argv[1:])
