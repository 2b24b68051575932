# SPDX-License-Identifier: Apache-2.0
"""Packets through a datapath in the process, from Python, without privilege."""

import ipaddress
import json
import threading

import pytest

import ciliumcore as cc

WEB, DB, DB6, WORLD = "10.0.0.1", "10.0.0.2", "fd00::2", "203.0.113.7"

POLICY = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: default}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress:
  - from: [{podSelector: {matchLabels: {app: web}}}]
    ports: [{port: pg}]
"""


@pytest.fixture(name="identities")
def make_identities():
    return cc.IdentityAllocator()


@pytest.fixture(name="node")
def make_node(identities):
    """A web server and a database that only it may ask."""
    node = cc.NativeDatapath.open(capacity=cc.DatapathCapacity(connections=1024, addresses=1024))
    with node.change() as change:
        change.attach_endpoint("web", WEB, identities.allocate({"app": "web"}),
                               name="default/web-0")
        change.attach_endpoint("db", [ipaddress.ip_address(DB), DB6],
                               identities.allocate({"app": "db"}), ports={"pg": "5432/TCP"},
                               mac="02:00:00:00:00:99")
        change.set_policies(cc.load_policies(POLICY))
    return node


def tcp(src, dst, dport, flags="SYN", sport=40000):
    return cc.PacketBuilder().ethernet().ip(src, dst).tcp(sport, dport, flags).build()


def test_what_policy_allows_is_delivered_and_told(node):
    sent = node.send("web", tcp(WEB, DB, 5432))
    assert not sent.dropped, sent
    assert (sent.to, sent.interface, sent.reason) == ("endpoint", "db", 0)
    assert sent.packet[:6] == bytes.fromhex("020000000099")
    assert sent.trace.disagreement == ""
    (flow,) = sent.flows
    assert (flow.kind, flow.verdict, flow.protocol) == ("new", "forwarded", "TCP")
    assert (flow.source.address, flow.source.port, flow.source.pod) == (WEB, 40000, "default/web-0")
    assert flow.source.namespace == "default" and flow.source.labels.get("app") == "web"
    assert flow.tcp_flags == "SYN" and flow.generation == node.generation
    assert flow.ingress.rule_set and flow.ingress.why.endswith("NetworkPolicy default/db ingress[0]")
    assert str(flow).startswith(f"forwarded {WEB}:40000 (default/web-0) -> {DB}:5432")
    assert json.loads(flow.to_json())["source"]["pod_name"] == "web-0"


def test_a_reply_passes_by_its_connection(node):
    node.send("web", tcp(WEB, DB, 5432))
    answer = node.send("db", tcp(DB, WEB, 40000, "SYN,ACK", sport=5432))
    assert (answer.interface, answer.trace.connection) == ("web", "reply"), answer
    assert answer.trace.is_current


def test_what_policy_denies_says_the_reason_and_the_rules(node):
    sent = node.send("web", tcp(WEB, DB, 22))
    assert sent.dropped and sent.to == "nobody"
    assert (sent.reason, sent.reason_name) == (133, "policy denied")
    (side,) = [side for side in sent.trace.sides if side.verdict == "deny"]
    assert (side.direction, side.interface) == ("ingress", "db")
    assert side.why == ("default deny: isolated for ingress by NetworkPolicy default/db, and no "
                        "rule allows this")
    assert "policy denied" in str(sent) and repr(sent) == "<PacketOutcome dropped>"
    (flow,) = sent.flows
    assert (flow.verdict, flow.reason_name) == ("dropped", "policy denied")
    assert cc.FlowFilter("verdict=dropped rule=default/db").matches(flow)
    assert not cc.FlowFilter("verdict=forwarded").matches(flow)
    assert [(c.is_egress, c.packets) for c in node.counters() if c.reason == 133] == [(False, 1)]


def test_packets_come_from_outside_too(node):
    assert node.receive("db", tcp(WORLD, DB, 5432)).reason_name == "policy denied"
    ping = cc.PacketBuilder().ethernet().ip(WORLD, WEB).echo(7).payload(b"hello").build()
    got = node.receive("web", ping)
    assert got.to == "endpoint" and got.packet.endswith(b"hello"), got
    assert node.interface_of(DB6) == "db" and node.interface_of(WORLD) == ""


def test_builders_begin_many_packets():
    base = cc.PacketBuilder().ethernet().ip(WEB, DB, ttl=3)
    assert len(base.udp(1, 2).build()) == 14 + 20 + 8
    assert len(base.tcp(1, 2).payload(b"xyz").build()) == 14 + 20 + 20 + 3
    assert base.icmp(8).build()[23] == 1 and base.build()[22] == 3
    assert len(cc.PacketBuilder().ethernet().ip(DB6, "fd00::1").sctp(1, 2).build()) > 14 + 40 + 12
    for broken in (lambda: base.tcp(1, 2, "SYM"), lambda: base.ip("10.0.0.256", DB),
                   lambda: base.ethernet("02:00")):
        with pytest.raises(cc.StatusError) as error:
            broken()
        assert error.value.code == "INVALID_ARGUMENT"


def test_an_exception_leaves_no_trace_of_a_change(node, identities):
    generation = node.generation
    with pytest.raises(ZeroDivisionError):
        with node.change() as change:
            change.set_policies([])
            change.attach_endpoint("more", "10.0.0.3", identities.allocate({"app": "web"}))
            assert 1 // 0
    assert node.generation == generation
    assert node.send("web", tcp(WEB, DB, 22)).dropped
    assert node.interface_of("10.0.0.3") == ""
    assert change.plan().empty


def test_nothing_is_no_policies(node):
    change = node.change()
    for nothing in (None, [None], "", 1):
        with pytest.raises(TypeError):
            change.set_policies(nothing)
    change.set_policies(cc.load_policies(POLICY).network_policies)
    change.commit()
    assert node.send("web", tcp(WEB, DB, 22)).dropped
    assert not node.send("web", tcp(WEB, DB, 5432)).dropped


def test_a_change_is_all_or_nothing(node, identities):
    web = identities.allocate({"app": "web"})
    change = node.change()
    change.set_policies([])
    change.attach_endpoint("twin", WEB, web)
    with pytest.raises(cc.StatusError) as error:
        change.commit()
    assert error.value.code == "INVALID_ARGUMENT" and WEB in error.value.message
    assert node.send("web", tcp(WEB, DB, 22)).dropped
    # The edits are still there, to be mended.
    change.detach_endpoint("twin")
    assert change.commit() == node.generation
    assert not node.send("web", tcp(WEB, DB, 22)).dropped


def test_a_plan_says_what_would_be_written(node, identities):
    change = node.change()
    change.upsert_remote("10.1.0.9", identities.allocate({"app": "web"}), name="default/web-1",
                         interface="uplink", gateway="10.255.0.1")
    plan = change.plan()
    assert [(c.action, c.subject) for c in plan.changes] == [("add", "address 10.1.0.9")]
    assert str(plan.changes[0]) == "+ address 10.1.0.9"
    assert all(room.fits and room.wanted for room in plan.room) and not plan.empty
    change.commit()
    assert not node.receive("db", tcp("10.1.0.9", DB, 5432)).dropped
    with node.change() as change:
        change.remove_remote("10.1.0.9")
    assert node.receive("db", tcp("10.1.0.9", DB, 5432)).dropped


def test_namespaces_have_labels(node, identities):
    with node.change() as change:
        change.set_namespaces({"default": {"team": "a"}, "shop": "team=b"})
        change.set_policies(cc.load_policies(POLICY.replace(
            "{podSelector: {matchLabels: {app: web}}}",
            "{namespaceSelector: {matchLabels: {team: b}}}")))
    assert node.send("web", tcp(WEB, DB, 5432)).dropped
    with node.change() as change:
        change.set_namespaces({"default": {"team": "b"}})
    assert not node.send("web", tcp(WEB, DB, 5432)).dropped


def test_time_stands_still_until_it_is_moved(node):
    node.send("web", tcp(WEB, DB, 5432))
    ack = tcp(WEB, DB, 5432, "ACK")
    node.advance(59)
    assert node.send("web", ack).trace.connection == "established"
    node.advance(100000)
    assert node.send("web", ack).trace.connection == "new"


def test_services_are_not_for_packets(node):
    service = cc.Service("10.96.0.1", "80/TCP", [cc.Backend(WEB, 8080), cc.Backend(DB, 8080, 3)],
                         name="shop/web:http", affinity_timeout=60)
    assert (service.frontend, service.backends[1].weight) == ("10.96.0.1:80/TCP", 3)
    with pytest.raises(cc.StatusError) as error:
        with node.change() as change:
            change.upsert_service(service)
    assert error.value.code == "FAILED_PRECONDITION"
    with pytest.raises(cc.StatusError) as error:
        cc.Service("10.96.0.1", "80/TCP", [cc.Backend(DB6, 80)])
    assert error.value.code == "INVALID_ARGUMENT"


def test_what_cannot_be_meant_is_refused_at_once(node, identities):
    web = identities.allocate({"app": "web"})
    change = node.change()
    for wrong in (lambda: change.attach_endpoint("x", "10.0.0", web),
                  lambda: change.attach_endpoint("x", WEB, web, on_detach="maybe"),
                  lambda: change.attach_endpoint("x", WEB, web, ports={"http": "eighty"}),
                  lambda: change.upsert_remote(WORLD, web, gateway="10.0.0.9")):
        with pytest.raises(cc.StatusError) as error:
            wrong()
        assert error.value.code == "INVALID_ARGUMENT"
    assert change.plan().empty
    with pytest.raises(cc.StatusError) as error:
        node.send("nowhere", tcp(WEB, DB, 80))
    assert error.value.code == "NOT_FOUND"
    with pytest.raises(cc.StatusError):
        cc.NativeDatapath.open(capacity=cc.DatapathCapacity(classes=0))


def test_auditing_lets_pass_and_tells(identities):
    node = cc.NativeDatapath.open(audit_only=True, timeouts=cc.ConnectionTimeouts(tcp=30))
    assert cc.ConnectionTimeouts(tcp=30).tcp == 30 and cc.ConnectionTimeouts().other == 60
    with node.change() as change:
        change.attach_endpoint("db", DB, identities.allocate({"app": "db"}))
        change.set_policies(cc.load_policies(POLICY))
    got = node.receive("db", tcp(WORLD, DB, 22))
    assert not got.dropped and got.trace.audited
    assert [flow.verdict for flow in got.flows] == ["audited"]


def test_threads_may_share_a_node(node):
    packet = tcp(WEB, DB, 5432)
    outcomes = []
    workers = [threading.Thread(target=lambda: outcomes.extend(
        node.send("web", packet).dropped for _ in range(50))) for _ in range(4)]
    for worker in workers:
        worker.start()
    for _ in range(5):
        with node.change() as change:
            change.set_policies(cc.load_policies(POLICY))
    for worker in workers:
        worker.join()
    assert outcomes == [False] * 200
