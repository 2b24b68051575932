# SPDX-License-Identifier: Apache-2.0
"""The example runs, and says what it promises."""

import os
import subprocess
import sys

import ciliumcore as cc


def test_packet_policy_shows_the_steps_and_the_flow():
    environment = dict(os.environ, PYTHONPATH=os.path.dirname(os.path.dirname(cc.__file__)))
    done = subprocess.run([sys.executable, "examples/python/packet_policy.py"], env=environment,
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    *steps, flow = done.stdout.splitlines()
    assert "dropped" in steps
    assert any("ingress at db: deny" in step for step in steps), done.stdout
    assert flow.startswith("dropped 10.0.1.42:40000 (default/app=web) -> 10.0.2.17:22 ")
    assert "NetworkPolicy default/only-web" in flow
