# SPDX-License-Identifier: Apache-2.0
"""The kernel's datapath from Python: real connections between namespaces."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

import ciliumcore as cc
import pods
from pods import need_privilege  # noqa: F401  the fixture "privilege"

ADDRESSES = {"web": "10.0.1.1", "db": "10.0.1.2", "evil": "10.0.1.3"}

POLICY = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: default}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress:
  - from: [{podSelector: {matchLabels: {app: web}}}]
"""
NOBODY = POLICY[:POLICY.index("  ingress")]

# Judges by the policy that it is given, until it is killed.
CHILD = """
import ciliumcore as cc, sys, time
identities = cc.IdentityAllocator()
datapath = cc.Datapath.open("child", capacity=cc.DatapathCapacity(connections=1024))
with datapath.change() as change:
    change.attach_endpoint("veth-db", "10.0.1.2", identities.allocate({"app": "db"}))
    change.set_policies(cc.load_policies(sys.argv[1]))
print("ready", flush=True)
time.sleep(600)
"""


@pytest.fixture(name="identities")
def make_identities():
    return cc.IdentityAllocator()


@pytest.fixture(name="node")
def make_node(privilege):  # pylint: disable=unused-argument
    with pods.Node() as node:
        for name, address in ADDRESSES.items():
            node.add_pod(name, address)
        node.listener = node.listen("db", 5432)
        yield node
        node.listener.close()


def attach_all(change, identities):
    for name, address in ADDRESSES.items():
        change.attach_endpoint(f"veth-{name}", address, identities.allocate({"app": name}),
                               name=f"default/{name}-0")


@pytest.fixture(name="datapath")
def make_datapath(node, identities):  # pylint: disable=unused-argument
    with cc.Datapath.open("test", capacity=pods.ROOM) as datapath:
        with datapath.change() as change:
            attach_all(change, identities)
            change.set_policies(cc.load_policies(POLICY))
        yield datapath


def reaches(node, name, timeout=0.3):
    connection = node.connect(name, ADDRESSES["db"], 5432, timeout)
    if connection is None:
        return False
    connection.close()
    return True


def wait_until(holds, seconds=10):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def find(datapath, text):
    """The first flow that a filter passes."""
    wanted = cc.FlowFilter(text)
    return next(flow for flow in datapath.flows(timeout=5) if wanted.matches(flow))


def test_maps_are_verified(node, identities):  # pylint: disable=unused-argument
    with cc.Datapath.open("test", capacity=pods.ROOM) as datapath:
        with pytest.raises(cc.StatusError, match="nothing to verify"):
            datapath.verify()
        with datapath.change() as change:
            attach_all(change, identities)
            change.set_policies(cc.load_policies(POLICY))
        report = datapath.verify()
        assert report.is_equal and report.generation == datapath.generation
        assert report.counter_example is None and report.other_rules is None
        assert "the maps judge as the policy does" in str(report)


def test_policy_decides_and_flows_tell(node, datapath):
    assert reaches(node, "web") and not reaches(node, "evil")
    allowed = find(datapath, "kind=new dport=5432")
    assert (allowed.source.pod, allowed.destination.pod) == ("default/web-0", "default/db-0")
    assert "NetworkPolicy default/db ingress[0]" in allowed.ingress.why
    assert allowed.generation == datapath.generation
    assert abs(time.monotonic_ns() - allowed.monotonic_ns) < 60e9
    dropped = find(datapath, "verdict=dropped from-pod=default/evil-0 dport=5432")
    assert (dropped.reason_name, dropped.tcp_flags) == ("policy denied", "SYN")
    assert "NetworkPolicy default/db" in dropped.ingress.why
    reader = datapath.flows(timeout=0)
    assert all(isinstance(flow, cc.Flow) for flow in reader)
    assert (reader.lost, reader.undecodable) == (0, 0)


def test_counters_are_of_the_node_and_of_each_endpoint(node, datapath):
    assert not reaches(node, "evil")
    denied = [c for c in datapath.endpoint_counters() if c.endpoint == "veth-db"
              and c.reason_name == "policy denied" and not c.is_egress]
    assert denied and denied[0].packets >= 1 and denied[0].bytes >= 60
    assert sum(c.packets for c in datapath.counters() if c.reason == 133) >= denied[0].packets


def test_a_change_reaches_whom_it_names(node, datapath):
    generation = datapath.generation
    with pytest.raises(RuntimeError, match="never mind"):
        with datapath.change() as change:
            change.set_policies([])
            raise RuntimeError("never mind")
    assert datapath.generation == generation and not reaches(node, "evil")
    change = datapath.change()
    change.set_policies([])
    assert any(c.subject == "endpoint veth-db" for c in change.plan().changes), change.plan()
    assert change.commit() == datapath.generation > generation
    assert reaches(node, "evil")
    with datapath.change() as change:
        change.set_policies(cc.load_policies(NOBODY))
    assert not reaches(node, "web")
    with datapath.change() as change:
        change.detach_endpoint("veth-db")
    assert reaches(node, "web")
    with pytest.raises(cc.StatusError) as error:
        with datapath.change() as change:
            change.attach_endpoint("veth-gone", "10.0.1.9", cc.IdentityAllocator().allocate("a=b"))
    assert error.value.code == "NOT_FOUND" and "veth-gone" in error.value.message


def test_waiting_for_flows_lets_others_run_and_is_interrupted(node, datapath):
    list(datapath.flows(timeout=0.3))  # what there is already
    with datapath.change() as change:
        change.set_policies([])
    seen = []
    worker = threading.Thread(target=lambda: seen.append(reaches(node, "evil")))
    worker.start()
    assert find(datapath, "kind=new from-pod=default/evil-0").verdict == "forwarded"
    worker.join()
    assert seen == [True]

    def interrupt(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 1)
    try:
        begun = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            for _ in datapath.flows():
                pass
        assert time.monotonic() - begun < 3
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_closing_ends_judgement_and_waits_for_readers(node, datapath):
    change = datapath.change()
    codes = []

    def read():
        try:
            for _ in datapath.flows():
                pass
        except cc.StatusError as error:
            codes.append(error.code)

    reader = threading.Thread(target=read)
    reader.start()
    assert not reaches(node, "evil")
    datapath.close()
    reader.join(timeout=10)
    assert codes == ["FAILED_PRECONDITION"]
    assert reaches(node, "evil"), "although a change and a reader are left"
    datapath.close()
    for use in (change.commit, datapath.counters, lambda: datapath.generation,
                lambda: next(datapath.flows())):
        with pytest.raises(cc.StatusError) as error:
            use()
        assert error.value.code == "FAILED_PRECONDITION"


def test_the_kernel_removes_all_of_it_with_the_process(node):
    environment = dict(os.environ, PYTHONPATH=os.path.dirname(os.path.dirname(cc.__file__)))
    with subprocess.Popen([sys.executable, "-c", CHILD, NOBODY], stdout=subprocess.PIPE,
                          env=environment, text=True) as child:
        try:
            assert child.stdout.readline() == "ready\n"
            assert not reaches(node, "web")
        finally:
            child.kill()
    wait_until(lambda: reaches(node, "web"))


def test_what_is_pinned_goes_on_and_is_taken_over(node, identities, tmp_path):
    pods.call(pods.LIBC.unshare, pods.CLONE_NEWNS)
    pods.shell(f"mount --make-rprivate / && mount -t bpf bpf {tmp_path}")
    options = {"lifetime": "pinned", "bpffs": str(tmp_path), "capacity": pods.ROOM}
    try:
        with cc.Datapath.open("kept", **options) as datapath:
            with datapath.change() as change:
                attach_all(change, identities)
                change.set_policies(cc.load_policies(POLICY))
            numbers = {str(identity) for identity in identities.in_use()}
            with pytest.raises(cc.StatusError) as error:
                cc.Datapath.open("kept", **options)
            assert error.value.code == "FAILED_PRECONDITION"
        assert reaches(node, "web") and not reaches(node, "evil"), "nobody's process"
        with cc.Datapath.open("kept", **options) as datapath:
            later = cc.IdentityAllocator()
            held = datapath.recover_identities(later)
            assert {str(identity) for identity in held} == numbers and len(numbers) == 3
            with datapath.change() as change:
                attach_all(change, later)
        assert reaches(node, "evil"), "the first change said all there shall be"
        cc.Datapath.remove("kept", bpffs=str(tmp_path))
        assert not os.path.exists(tmp_path / "ciliumcore" / "kept")
    finally:
        pods.shell(f"umount {tmp_path}")


def test_sockets_reach_the_backends_of_a_service(node, identities, tmp_path):
    with pods.cgroup(tmp_path) as path:
        with cc.Datapath.open("served", cgroup=path, capacity=pods.ROOM) as datapath:
            service = cc.Service("10.96.0.10", "80/TCP", [cc.Backend(ADDRESSES["db"], 5432)],
                                 name="default/db:pg")
            with datapath.change() as change:
                attach_all(change, identities)
                change.set_policies(cc.load_policies(POLICY))
                change.upsert_service(service)
            with node.connect("web", "10.96.0.10", 80) as connection:
                served, _ = node.listener.accept()
                assert connection.getpeername() == ("10.96.0.10", 80)
                connection.sendall(b"select")
                assert served.recv(6) == b"select"
                served.close()
            flow = find(datapath, "service=default/db")
            assert (flow.destination.address, flow.destination.port) == (ADDRESSES["db"], 5432)
            assert node.connect("evil", "10.96.0.10", 80) is None, "policy judges the backend"
            with datapath.change() as change:
                change.remove_service("10.96.0.10", "80/TCP")
            assert node.connect("web", "10.96.0.10", 80) is None
            with datapath.change() as change:
                change.set_services([service])
            assert node.connect("web", "10.96.0.10", 80) is not None


def test_who_has_no_privilege_is_told(privilege):  # pylint: disable=unused-argument
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setresuid(65534, 65534, 65534)
            cc.Datapath.open("mine")
        except cc.StatusError as error:
            os.write(write, error.code.encode())
        finally:
            os.close(write)
            os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    assert os.read(read, 100) == b"PERMISSION_DENIED"
    os.close(read)
