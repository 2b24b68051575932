# SPDX-License-Identifier: Apache-2.0
"""ciliumcore: who may talk to whom and why, by manifests, packets and kernels.

Policies, as questions:

    cluster = cc.Cluster.from_files(["manifests/"]).compile()
    for source, destination, ports in cluster.matrix().connections():
        print(source, "->", destination, *ports)
    for flow in cluster.trace("shop/web", "shop/cart", "7070/TCP"):
        print(flow.allowed, flow.egress.why, flow.ingress.why)

Packets, without root:

    node = cc.NativeDatapath.open()
    with node.change() as change:
        change.attach_endpoint("web", "10.0.0.1", identities.allocate({"app": "web"}))
        change.set_policies(cc.load_policies(text))
    print(node.send("web", cc.PacketBuilder().ethernet().ip(a, b).tcp(40000, 80).build()))

The kernel, as root:

    with cc.Datapath.open("demo") as datapath:
        with datapath.change() as change: ...
        for flow in datapath.flows():
            print(flow)

What fails raises StatusError, with the code of the library's status. Values
(policies, labels, flows) are copies, and outlive where they come from. Long
calls release the interpreter's lock.
"""

from ._ciliumcore import (
    Backend, Change, ChangePlan, Cluster, CompiledCluster, ConnectionTimeouts, Counter,
    Datapath, DatapathCapacity, Flow, FlowCounts, FlowEnd, FlowFilter, FlowJudgement,
    FlowReader, Identity, IdentityAllocator, Judgement, Label, Labels, Matrix, NativeDatapath,
    NetworkPolicy, PacketBuilder, PacketOutcome, PacketTrace, PlannedChange, PlannedRoom,
    PolicySet, PortSpan, Selector, Service, StatusError, TraceEnd, TraceSide, TracedFlow,
    VerifyReport, load_policies)

__all__ = [
    "Backend", "Change", "ChangePlan", "Cluster", "CompiledCluster", "ConnectionTimeouts",
    "Counter", "Datapath", "DatapathCapacity", "Flow", "FlowCounts", "FlowEnd", "FlowFilter",
    "FlowJudgement", "FlowReader", "Identity", "IdentityAllocator", "Judgement", "Label",
    "Labels", "Matrix", "NativeDatapath", "NetworkPolicy", "PacketBuilder", "PacketOutcome",
    "PacketTrace", "PlannedChange", "PlannedRoom", "PolicySet", "PortSpan", "Selector",
    "Service", "StatusError", "TraceEnd", "TraceSide", "TracedFlow", "VerifyReport",
    "load_policies",
]
