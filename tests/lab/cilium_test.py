#!/usr/bin/python3
"""Probes the clinic, whose policies are Cilium's and the cluster's, and holds some
of it against what was thought through by hand.

Usage: cilium_test.py CCORE MANIFESTS
"""

import ipaddress
import sys

from lab_run import probe

GATEWAY, PORTAL, RECORDS = "default/gateway-0", "clinic/portal-0", "clinic/records-0"
IMAGING, KIOSK, DNS, AGENT = "clinic/imaging-0", "guest/kiosk-0", "infra/dns-0", "infra/agent"
WORLD4 = "8.8.8.8"

# Source, destination, port; whether it arrives. Addresses outside stand for the
# range that they are in.
FACTS = [
    # A peer of another namespace, by a port's number; world is an entity.
    (GATEWAY, PORTAL, "8080/TCP", True),
    (WORLD4, PORTAL, "8080/TCP", True),
    (WORLD4, PORTAL, "9/TCP", False),
    (GATEWAY, PORTAL, "9/TCP", False),
    (DNS, PORTAL, "8080/TCP", False),
    # What a proxy should judge does not pass.
    (GATEWAY, PORTAL, "9080/TCP", False),
    # Denied prevails: by a CIDR group, by the labels of a namespace.
    ("192.0.2.1", PORTAL, "8080/TCP", False),
    (KIOSK, PORTAL, "8080/TCP", False),
    # The node reaches its pods.
    (AGENT, PORTAL, "9/TCP", True),
    (AGENT, KIOSK, "8000/TCP", True),
    # Out: the own namespace is meant, the service, CIDRs less the exception.
    (PORTAL, RECORDS, "5432/TCP", True),
    (PORTAL, RECORDS, "9/TCP", False),
    (PORTAL, DNS, "53/UDP", True),
    (PORTAL, DNS, "53/TCP", True),
    (PORTAL, DNS, "9/UDP", False),
    (PORTAL, IMAGING, "11115/TCP", False),
    (PORTAL, "203.0.113.1", "443/TCP", True),
    (PORTAL, "203.0.113.1", "9/TCP", False),
    (PORTAL, "203.0.113.200", "443/TCP", False),
    (PORTAL, "198.51.100.1", "443/TCP", True),
    (PORTAL, "198.51.100.200", "443/TCP", False),
    (PORTAL, "2001:db8:100::1", "443/TCP", True),
    (PORTAL, "2001:db8:101::1", "443/TCP", False),
    # Pass leaves it to the namespace's own policies; all others are denied above
    # them, but for what is accepted before.
    (IMAGING, RECORDS, "5432/TCP", False),
    (RECORDS, IMAGING, "11115/TCP", True),
    (GATEWAY, IMAGING, "11115/TCP", False),
    (GATEWAY, IMAGING, "9/TCP", False),
    (GATEWAY, IMAGING, "7000/TCP", True),
    (GATEWAY, RECORDS, "7000/TCP", True),
    (DNS, IMAGING, "9/TCP", False),
    # Denials of a range that leave the rest open.
    (WORLD4, IMAGING, "11112/TCP", False),
    (WORLD4, IMAGING, "11120/TCP", False),
    (WORLD4, IMAGING, "9/TCP", True),
    (IMAGING, WORLD4, "443/TCP", False),
    (IMAGING, GATEWAY, "8443/TCP", True),
    # Clusterwide: entities; authentication that nobody does.
    (KIOSK, WORLD4, "443/TCP", False),
    (GATEWAY, KIOSK, "8000/TCP", False),
    # The baseline decides where nobody did.
    (KIOSK, GATEWAY, "8443/TCP", False),
    (KIOSK, DNS, "53/UDP", True),
    (KIOSK, DNS, "9/UDP", False),
    (DNS, GATEWAY, "8443/TCP", True),
]


def contains(host, address):
    """Whether a host of the lab, which may be a range, is or has the address."""
    if "/" in host or "-" not in host:
        return False
    first, last = (ipaddress.ip_address(end) for end in host.split("-"))
    at = ipaddress.ip_address(address)
    return at.version == first.version and first <= at <= last


def main(ccore, manifests):
    result, notes = probe(ccore, manifests)
    reached, hosts = {}, [host["name"] for host in result["hosts"]]
    for one in result["probes"]:
        reached.setdefault((one["src"], one["dst"], one["port"]), set()).add(one["reached"])

    def host_of(end):
        if end in hosts:
            return end
        (host,) = [host for host in hosts if contains(host, end)]
        return host

    for src, dst, port, wanted in FACTS:
        found = reached[(host_of(src), host_of(dst), port)]
        assert found == {wanted}, f"{src} -> {dst} {port}: by hand {wanted}, found {found}"
    # Both portals, both families.
    redirected = [one for one in result["probes"] if one.get("needsProxy")]
    assert len(redirected) == result["needProxy"] == 4, redirected
    for one in redirected:
        assert (one["src"], one["port"], one["reached"], one["expected"]) == \
            (GATEWAY, "9080/TCP", False, False), one
    assert ("note: there is no proxy, so what these rules leave to one is denied: "
            "CiliumNetworkPolicy clinic/portal ingress[1]") in notes, notes
    print(f"{len(result['probes'])} probes agree, {len(FACTS)} of them by hand")


main(*sys.argv[1:])
