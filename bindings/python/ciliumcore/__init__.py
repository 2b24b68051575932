# SPDX-License-Identifier: Apache-2.0
"""Labels, identities and policies of ciliumcore: who may talk to whom, and why.

    import ciliumcore as cc

    cluster = cc.Cluster.from_files(["manifests/"]).compile()
    for source, destination, ports in cluster.matrix().connections():
        print(source, "->", destination, *ports)
    for flow in cluster.trace("shop/web", "shop/cart", "7070/TCP"):
        print(flow.allowed, flow.egress.why, flow.ingress.why)

What fails raises StatusError. Long calls release the interpreter's lock.
"""

from ._ciliumcore import (
    Cluster, CompiledCluster, Identity, IdentityAllocator, Judgement, Label, Labels, Matrix,
    NetworkPolicy, PortSpan, Selector, StatusError, TracedFlow, load_policies)

__all__ = [
    "Cluster", "CompiledCluster", "Identity", "IdentityAllocator", "Judgement", "Label", "Labels",
    "Matrix", "NetworkPolicy", "PortSpan", "Selector", "StatusError", "TracedFlow",
    "load_policies",
]
