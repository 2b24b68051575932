#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How long 1,000 workloads and 200 policies take from Python.

Usage: PYTHONPATH=DIRECTORY matrix.py, where DIRECTORY holds the package ciliumcore.
Prints the seconds of loading, compiling and the matrix, of three runs.
"""

import time

import ciliumcore as cc

POD = """apiVersion: v1
kind: Pod
metadata: {{name: p{i}, namespace: n{ns}, labels: {{app: a{i}, tier: t{tier}}}}}
spec: {{containers: [{{name: c, image: c}}]}}
"""
POLICY = """apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: q{i}, namespace: n{ns}}}
spec:
  podSelector: {{matchLabels: {{tier: t{tier}}}}}
  ingress:
  - from: [{{namespaceSelector: {{}}, podSelector: {{matchLabels: {{tier: t{peer}}}}}}}]
    ports: [{{port: {port}}}]
"""


def main():
    documents = [POD.format(i=i, ns=i % 20, tier=i % 10) for i in range(1000)]
    documents += [POLICY.format(i=i, ns=i % 20, tier=i % 10, peer=(i + 3) % 10, port=1000 + i)
                  for i in range(200)]
    text = "---\n".join(documents)
    for _ in range(3):
        times = [time.perf_counter()]
        cluster = cc.Cluster.from_text(text)
        times.append(time.perf_counter())
        compiled = cluster.compile(["10.244.0.0/16"])
        times.append(time.perf_counter())
        connections = compiled.matrix().connections()
        times.append(time.perf_counter())
        load, compiling, matrix = (b - a for a, b in zip(times, times[1:]))
        print(f"load {load:.2f} s, compile {compiling:.2f} s, matrix {matrix:.2f} s: "
              f"{len(connections)} connections")


if __name__ == "__main__":
    main()
