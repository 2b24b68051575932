#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Asks a policy by packets: no cluster, no root, no kernel with BPF.

    bazel build //bindings/python:package
    PYTHONPATH=bazel-bin/bindings/python/package /usr/bin/python3 examples/python/packet_policy.py
"""

import ciliumcore as cc

POLICIES = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: only-web, namespace: default}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress:
  - from: [{podSelector: {matchLabels: {app: web}}}]
    ports: [{port: 5432}]
"""


def run(policies):
    identities = cc.IdentityAllocator()
    node = cc.NativeDatapath.open()  # the programs of the kernel, in this process
    with node.change() as change:  # commits at its end, all of it or why not
        change.attach_endpoint("web", "10.0.1.42", identities.allocate({"app": "web"}))
        change.attach_endpoint("db", "10.0.2.17", identities.allocate({"app": "db"}))
        change.set_policies(cc.load_policies(policies))

    packet = cc.PacketBuilder().ethernet().ip("10.0.1.42", "10.0.2.17")
    assert not node.send("web", packet.tcp(40000, 5432).build()).dropped
    denied = node.send("web", packet.tcp(40000, 22).build())
    assert denied.dropped and denied.reason_name == "policy denied"
    print(denied)  # every step, and the rules
    for flow in denied.flows:  # what flows() of a node would tell
        print(flow)


if __name__ == "__main__":
    run(POLICIES)
