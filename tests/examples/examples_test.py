#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The examples say what they promise.

  examples_test.py HELLO_MAP SERVICE_LB FLOW_TAIL
"""

import os
import re
import subprocess
import sys
import unittest

HELLO_MAP, SERVICE_LB, FLOW_TAIL = sys.argv[1:4]


def run(program):
    done = subprocess.run([program], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def may_attach():
    return os.geteuid() == 0


class Examples(unittest.TestCase):
    def need_root(self):
        if may_attach():
            return
        self.assertNotEqual(os.environ.get("CI"), "true", "in CI nothing is skipped")
        self.skipTest("needs root")

    def test_hello_map(self):
        code, out, err = run(HELLO_MAP)
        self.assertEqual(code, 0, err)
        self.assertIn("256 has 2560\n257: NOT_FOUND", out)
        self.assertTrue(out.endswith("all have 5140\n"), out)

    def test_service_lb(self):
        self.need_root()
        code, out, err = run(SERVICE_LB)
        self.assertEqual(code, 0, err)
        spread = dict(re.findall(r"^(\S+): (\d+) of 400$", out, re.MULTILINE))
        self.assertEqual(len(spread), 3, out)
        self.assertEqual(sum(map(int, spread.values())), 400)
        # Half of 400 by chance: a deviation of 80 has a probability of 1e-15.
        self.assertLess(abs(int(spread["10.0.1.1"]) - 200), 80)

    def test_flow_tail(self):
        self.need_root()
        code, out, err = run(FLOW_TAIL)
        self.assertEqual(code, 0, err)
        self.assertIn("web reached it\nthief did not\n", out)
        self.assertRegex(out, r"forwarded 10\.0\.1\.1:\d+ \(default/app=web\) -> 10\.0\.1\.3:5432 "
                              r".*NetworkPolicy default/only-web ingress\[0\]")
        self.assertRegex(out, r"dropped 10\.0\.1\.2:\d+ \(default/app=thief\) -> .*policy denied"
                              r".*isolated for ingress by NetworkPolicy default/only-web")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
