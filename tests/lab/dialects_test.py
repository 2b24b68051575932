#!/usr/bin/python3
"""Every command enforces the policies of every dialect: for each dialect, a pod that
only it closes to some, and leaves open to others.

Usage: dialects_test.py offline|packets CCORE
"""

import ipaddress
import json
import os
import subprocess
import sys
import tempfile

from lab_run import probe

POD = """
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: town, labels: {{app: {name}}}}}
spec: {{containers: [{{name: c, image: c, ports: [{{containerPort: 80}}]}}]}}
"""

SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: town}
spec: {selector: {app: web}, ports: [{port: 80}]}
"""

CILIUM = """
apiVersion: cilium.io/v2
kind: {kind}
metadata: {{name: {name}{namespace}}}
spec:
  endpointSelector: {{matchLabels: {{app: {name}}}}}
"""

FROM_FRIEND = """
  ingress: [{fromEndpoints: [{matchLabels: {app: friend}}]}]
"""

CLUSTER = """
apiVersion: policy.networking.k8s.io/{version}
kind: {kind}
metadata: {{name: {policy}}}
spec:
  {rank}
  subject: {{pods: {{namespaceSelector: {{}}, podSelector: {{matchLabels: {{app: {name}}}}}}}}}
  ingress:
  - action: Deny
    from: [{{pods: {{namespaceSelector: {{}}, podSelector: {{matchLabels: {{app: web}}}}}}}}]
"""


def cilium(name, spec, clusterwide=False):
    return CILIUM.format(
        name=name, kind="CiliumClusterwideNetworkPolicy" if clusterwide else "CiliumNetworkPolicy",
        namespace="" if clusterwide else ", namespace: town") + spec


def cluster(name, kind, version, rank, policy=None):
    return CLUSTER.format(name=name, kind=kind, version=version, rank=rank, policy=policy or name)


# The closed pod: its policy, who does not reach whom by it, and who reaches whom all
# the same.
CASES = {
    "network": ("""
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: network, namespace: town}
spec:
  podSelector: {matchLabels: {app: network}}
  ingress: [{from: [{podSelector: {matchLabels: {app: friend}}}]}]
""", ("web", "network"), ("friend", "network")),
    "cnp": (cilium("cnp", FROM_FRIEND), ("web", "cnp"), ("friend", "cnp")),
    "ccnp": (cilium("ccnp", FROM_FRIEND, clusterwide=True), ("web", "ccnp"), ("friend", "ccnp")),
    "group": (cilium("group", """
  ingress: [{fromEntities: [all]}]
  ingressDeny: [{fromCIDRSet: [{cidrGroupRef: bad}]}]
---
apiVersion: cilium.io/v2
kind: CiliumCIDRGroup
metadata: {name: bad}
spec: {externalCIDRs: [198.51.100.0/24]}
"""), ("198.51.100.10", "group"), ("203.0.113.10", "group")),
    "service": (cilium("service", """
  egress: [{toEntities: [all]}]
  egressDeny: [{toServices: [{k8sService: {serviceName: web, namespace: town}}]}]
"""), ("service", "web"), ("service", "friend")),
    "proxy": (cilium("proxy", """
  ingress:
  - fromEndpoints: [{matchLabels: {app: friend}}]
  - fromEndpoints: [{matchLabels: {app: web}}]
    toPorts: [{ports: [{port: "80", protocol: TCP}], rules: {http: [{method: GET}]}}]
"""), ("web", "proxy"), ("friend", "proxy")),
    "authentication": (cilium("authentication", """
  ingress:
  - fromEndpoints: [{matchLabels: {app: friend}}]
  - fromEndpoints: [{matchLabels: {app: web}}]
    authentication: {mode: required}
"""), ("web", "authentication"), ("friend", "authentication")),
    "admin-tier": (cluster("admin-tier", "ClusterNetworkPolicy", "v1alpha2",
                           "tier: Admin\n  priority: 1"),
                   ("web", "admin-tier"), ("friend", "admin-tier")),
    "baseline-tier": (cluster("baseline-tier", "ClusterNetworkPolicy", "v1alpha2",
                              "tier: Baseline\n  priority: 1"),
                      ("web", "baseline-tier"), ("friend", "baseline-tier")),
    "admin": (cluster("admin", "AdminNetworkPolicy", "v1alpha1", "priority: 1"),
              ("web", "admin"), ("friend", "admin")),
    "baseline": (cluster("baseline", "BaselineAdminNetworkPolicy", "v1alpha1", "", "default"),
                 ("web", "baseline"), ("friend", "baseline")),
}


def write(directory, policies):
    """Pods of all cases; the policies of those named."""
    pods = [POD.format(name=name) for name in ["web", "friend", *CASES]]
    documents = pods + [SERVICE] + [CASES[name][0] for name in policies]
    path = os.path.join(directory, "town.yaml")
    with open(path, "w", encoding="utf-8") as out:
        out.write("---".join(documents))
    return path


def run(*arguments):
    done = subprocess.run([CCORE, *arguments, "-o", "json"], stdout=subprocess.PIPE, timeout=60,
                          check=False)
    assert done.returncode in (0, 1), done.returncode
    return done.returncode, json.loads(done.stdout)


def end(name):
    return name if name[0].isdigit() else f"town/{name}"


def is_peer(peer, name):
    """Whether a peer of the matrix, or a host of the lab, is that pod or address."""
    if not name[0].isdigit():
        return peer.split("[")[0] == f"town/{name}"
    if "/" in peer or "." not in peer:
        return False
    first, last = (ipaddress.ip_address(address) for address in peer.split("-"))
    return first <= ipaddress.ip_address(name) <= last


def traced(path, src, dst):
    code, json_ = run("policy", "trace", "-f", path, "--pod-cidr", "10.0.0.0/16", "--src",
                      end(src), "--dst", end(dst), "--dport", "80/TCP")
    assert [flow["allowed"] for flow in json_["flows"]] == [code == 0], json_
    return code == 0


def in_matrix(path, src, dst):
    _, matrix = run("policy", "matrix", "-f", path, "--pod-cidr", "10.0.0.0/16")
    spans = [span for connection in matrix["connections"] if is_peer(connection["src"], src)
             and is_peer(connection["dst"], dst) for span in connection["allowed"]]
    return any(span["protocol"] == "TCP" and span["from"] <= 80 <= span["to"] for span in spans)


def of_packet(path, src, dst):
    _, ran = run("packet", "run", "-f", path, "--pod-cidr", "10.0.0.0/16", "--src", end(src),
                 "--dst", end(dst), "--dport", "80/TCP")
    (packet,) = ran["packets"]
    assert "bug" not in packet["steps"], packet
    if packet["verdict"] == "dropped":
        wanted = 178 if dst == "proxy" else 133
        assert packet["reason"]["number"] == wanted, packet["reason"]
    return packet["verdict"] == "forwarded"


def check_offline(directory):
    for name, (_, closed, opened) in CASES.items():
        for policies in [name], []:
            path = write(directory, policies)
            for what in traced, in_matrix, of_packet:
                found = (what(path, *closed), what(path, *opened))
                assert found == (not policies, True), f"{what.__name__}, {name}: {found}"
    print(f"{len(CASES)} dialects and kinds of rules, by trace, matrix and packet run")


def check_packets(directory):
    for policies in list(CASES), []:
        result, _ = probe(CCORE, write(directory, policies), "--connects", "1")
        for name, (_, closed, opened) in CASES.items():
            for (src, dst), wanted in (closed, not policies), (opened, True):
                found = [one["reached"] for one in result["probes"] if is_peer(one["src"], src)
                         and is_peer(one["dst"], dst) and one["port"] == "80/TCP"]
                assert found and all(reached == wanted for reached in found), (name, src, found)
        print(f"{len(result['probes'])} probes agree, with {len(policies)} policies")


MODE, CCORE = sys.argv[1:]
with tempfile.TemporaryDirectory() as town:
    (check_offline if MODE == "offline" else check_packets)(town)
