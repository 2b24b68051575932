# SPDX-License-Identifier: Apache-2.0
"""Labels, identities and policies from Python, without privilege."""

import json

import pytest

import ciliumcore as cc

CIDRS = ["10.244.0.0/16", "fd00:10:244::/64"]


@pytest.fixture(scope="module")
def shop():
    return cc.Cluster.from_files(["examples/shop/manifests"]).compile(CIDRS)


def test_the_matrix_is_the_one_written_by_hand(shop):
    with open("examples/shop/expected.json", encoding="utf-8") as file:
        expected = json.load(file)
    matrix = shop.matrix()
    assert matrix.peers == expected["peers"]
    found = [{"src": source, "dst": destination,
              "allowed": [{"protocol": p.protocol, "from": p.first, "to": p.last} for p in ports]}
             for source, destination, ports in matrix.connections()]
    assert found == expected["connections"]
    assert len(matrix) == len(found)


def test_a_trace_names_the_rules(shop):
    allowed = shop.trace("shop/web", "shop/cart", "7070/TCP")
    assert allowed and all(flow.allowed for flow in allowed)
    assert "NetworkPolicy shop/backends-from-web" in allowed[0].ingress.why
    denied = shop.trace("shop/web", "data/db", "5432/TCP")
    assert denied and not any(flow.allowed for flow in denied)
    with pytest.raises(cc.StatusError) as error:
        shop.trace("shop/nobody", "data/db", "5432/TCP")
    assert error.value.code == "NOT_FOUND"


def test_what_is_wrong_with_a_manifest_is_said():
    with pytest.raises(cc.StatusError) as error:
        cc.Cluster.from_text("kind: Pod\napiVersion: v1\n", "bad.yaml")
    assert error.value.code == "INVALID_ARGUMENT"
    assert "bad.yaml" in error.value.message
    with pytest.raises(cc.StatusError):
        cc.Cluster.from_files(["/no/such/file"])


def test_policies_are_read():
    policies = cc.load_policies("""
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec: {podSelector: {matchLabels: {app: db}}}
""")
    assert policies.names == ["NetworkPolicy shop/db"]
    (policy,) = policies.network_policies
    assert (policy.namespace, policy.name) == ("shop", "db")
    assert policy.isolates_ingress and not policy.isolates_egress
    assert policy.pod_selector.matches({"app": "db"})


EVERY_DIALECT = """
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: guard}
spec:
  tier: Admin
  priority: 1
  subject: {namespaces: {}}
  ingress: [{action: Deny, from: [{pods: {podSelector: {matchLabels: {app: old}}}}]}]
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: db}}
  ingress: [{fromEndpoints: [{}]}]
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: shop, labels: {app: db}}
spec: {}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {}
---
apiVersion: v1
kind: Pod
metadata: {name: old, namespace: shop, labels: {app: old}}
spec: {}
"""


def test_policies_of_every_dialect_are_compiled():
    names = ["CiliumNetworkPolicy shop/db", "ClusterNetworkPolicy guard"]
    policies = cc.load_policies(EVERY_DIALECT)
    assert policies.names == names and policies.network_policies == []
    # They are not the NetworkPolicies alone, which its length would be taken for.
    for call in (len, iter):
        with pytest.raises(TypeError):
            call(policies)
    cluster = cc.Cluster.from_text(EVERY_DIALECT)
    assert cluster.cilium_policies + cluster.cluster_policies == names
    compiled = cluster.compile(pod_cidrs=["10.0.0.0/24"])
    (allowed,) = compiled.trace("shop/web", "shop/db", "80/TCP")
    (denied,) = compiled.trace("shop/old", "shop/db", "80/TCP")
    assert allowed.allowed and not denied.allowed
    assert denied.ingress.why == "denied by ClusterNetworkPolicy guard ingress[0]"


def test_labels_are_sets():
    labels = cc.Labels({"tier": "front", "app": "web"})
    assert labels == cc.Labels("app=web,tier=front")
    assert hash(labels) == hash(cc.Labels("tier=front,app=web"))
    assert labels.get("app") == "web" and labels.get("none") is None
    assert "tier" in labels and len(labels) == 2
    assert [label.key for label in labels] == ["app", "tier"]
    with pytest.raises(cc.StatusError):
        cc.Label("=web")


def test_selectors_match():
    selector = cc.Selector("app in (web, api), !legacy")
    assert selector.matches({"app": "api"})
    assert not selector.matches({"app": "api", "legacy": "yes"})
    assert cc.Selector("").matches_everything
    with pytest.raises(cc.StatusError):
        cc.Selector("app in")


def test_identities_are_kept_while_they_are_referenced():
    identities = cc.IdentityAllocator(first=300, last=301)
    web = identities.allocate({"app": "web"})
    assert identities.allocate("app=web") == web and 300 <= web.id <= 301
    assert identities.find(web.id).labels == web.labels
    db = identities.allocate({"app": "db"})
    with pytest.raises(cc.StatusError) as error:
        identities.allocate({"app": "third"})
    assert error.value.code == "RESOURCE_EXHAUSTED"
    del db
    assert identities.allocate({"app": "third"}).id != web.id
