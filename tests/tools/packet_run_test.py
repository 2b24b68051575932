#!/usr/bin/python3
"""Runs `ccore packet run --pcap` on captures that are written here.

Usage: packet_run_test.py CCORE
"""

import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import unittest

SHOP = """
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: web, image: web}]}
status: {podIPs: [{ip: 10.0.0.1}]}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: shop, labels: {app: db}}
spec: {containers: [{name: db, image: db}]}
status: {podIPs: [{ip: 10.0.0.2}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress:
  - from: [{podSelector: {matchLabels: {app: web}}}]
    ports: [{port: 5432}]
"""

WEB, DB, WORLD = "10.0.0.1", "10.0.0.2", "203.0.113.9"
SYN, ACK = 2, 16
CCORE = ""


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def tcp(src, dst, sport, dport, flags):
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, 0, 0, 64, 6, 0,
                         socket.inet_aton(src), socket.inet_aton(dst))
    header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
    segment = struct.pack("!HHIIBBHHH", sport, dport, 1, 1, 5 << 4, flags, 65535, 0, 0)
    return b"\2\0\0\0\0\2\2\0\0\0\0\1\x08\x00" + header + segment


def capture(frames, link=1):
    """A capture of (second, bytes, bytes on the wire)."""
    out = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, link)
    for second, data, size in frames:
        out += struct.pack("<IIII", second, 0, len(data), size) + data
    return out


def whole(second, data):
    return second, data, len(data)


class PacketRunTest(unittest.TestCase):
    def run_ccore(self, content, *arguments):
        with tempfile.TemporaryDirectory() as directory:
            with open(f"{directory}/shop.yaml", "w", encoding="utf-8") as out:
                out.write(SHOP)
            with open(f"{directory}/c.pcap", "wb") as out:
                out.write(content)
            return subprocess.run(
                [CCORE, "packet", "run", "-f", "shop.yaml", "--pcap", "c.pcap", *arguments],
                cwd=directory, text=True, capture_output=True, timeout=60, check=False)

    def packets(self, frames):
        done = self.run_ccore(capture(frames), "-o", "json")
        self.assertEqual(done.returncode, 0, done.stderr)
        packets = json.loads(done.stdout)["packets"]
        self.assertEqual(len(packets), len(frames))
        for packet in packets:
            self.assertNotIn("bug", packet.get("steps", {}))
        return packets

    def test_a_connection_is_followed(self):
        packets = self.packets([
            whole(100, tcp(WEB, DB, 40000, 5432, SYN)),
            whole(100, tcp(DB, WEB, 5432, 40000, SYN | ACK)),
            whole(101, tcp(WEB, DB, 40000, 5432, ACK)),
        ])
        self.assertEqual([p["verdict"] for p in packets], ["forwarded"] * 3)
        self.assertEqual([p["steps"]["connection"] for p in packets],
                         ["new", "reply", "established"])
        self.assertEqual([p["steps"]["judged_before"] for p in packets], [False, True, True])
        self.assertEqual(packets[1]["to"], {"endpoint": "shop/web"})

    def test_silence_ends_a_connection(self):
        packets = self.packets([
            whole(100, tcp(WEB, DB, 40000, 5432, SYN)),
            whole(160, tcp(WEB, DB, 40000, 5432, ACK)),
            whole(100 + 2 * 86400, tcp(DB, WEB, 5432, 40000, ACK)),
        ])
        self.assertEqual([p["steps"]["connection"] for p in packets],
                         ["new", "established", "new"])

    def test_time_that_goes_back_stands_still(self):
        packets = self.packets([
            whole(100, tcp(WEB, DB, 40000, 5432, SYN)),
            whole(50, tcp(WEB, DB, 40000, 5432, ACK)),
        ])
        self.assertEqual(packets[1]["steps"]["connection"], "established")

    def test_packets_from_outside_are_judged_at_the_pod(self):
        (packet,) = self.packets([whole(1, tcp(WORLD, DB, 40000, 5432, SYN))])
        self.assertEqual(packet["verdict"], "dropped")
        self.assertEqual(packet["reason"], {"number": 133, "name": "policy denied"})
        self.assertEqual([j["direction"] for j in packet["steps"]["judgements"]], ["ingress"])

    def test_packets_of_others_are_not_ours(self):
        packets = self.packets([
            whole(1, tcp(WORLD, "203.0.113.10", 1, 2, SYN)),
            whole(1, b"\2\0\0\0\0\2\2\0\0\0\0\1\x88\xcc" + bytes(50)),
            whole(1, b""),
        ])
        self.assertEqual([p["verdict"] for p in packets], ["not ours"] * 3)

    def test_truncated_packets_are_named(self):
        frame = tcp(WEB, DB, 40000, 5432, SYN)
        done = self.run_ccore(capture([(1, frame[:40], len(frame))]))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("the capture lacks the end of this packet", done.stdout)
        self.assertIn("invalid transport header", done.stdout)

    def test_arp_is_answered(self):
        arp = struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 1, b"\2\0\0\0\0\1",
                          socket.inet_aton(WEB), bytes(6), socket.inet_aton("10.0.0.254"))
        (packet,) = self.packets([whole(1, b"\xff" * 6 + b"\2\0\0\0\0\1\x08\x06" + arp)])
        self.assertEqual(packet["to"], {"endpoint": "shop/web"})

    def test_other_links_and_damage_are_refused(self):
        done = self.run_ccore(capture([], link=101))
        self.assertEqual(done.returncode, 2)
        self.assertIn("expected Ethernet, found RAW", done.stderr)
        done = self.run_ccore(capture([whole(1, tcp(WEB, DB, 1, 2, SYN))])[:-5])
        self.assertEqual(done.returncode, 2)
        self.assertIn("c.pcap: ", done.stderr)

    def test_an_empty_capture_has_no_packets(self):
        self.assertEqual(self.packets([]), [])


if __name__ == "__main__":
    CCORE = os.path.abspath(sys.argv.pop(1))
    unittest.main()
