#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The soak goes on where it was stopped, and counts what it compared.

  soak_test.py SOAK
"""

import os
import re
import subprocess
import sys
import tempfile
import unittest

SOAK = sys.argv[1]


class Soak(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        self.state = os.path.join(self.directory.name, "state")

    def run_soak(self, *arguments):
        return subprocess.run([SOAK, *arguments], capture_output=True, text=True, timeout=200,
                              check=False)

    def compare(self, pairs):
        """Pairs and connections that the last line tells."""
        done = self.run_soak(self.state, str(pairs))
        self.assertEqual(done.returncode, 0, done.stderr)
        told = re.search(rf"(\d+) of {pairs} pairs, (\d+) connections; (\d+) pairs/s\n$",
                         done.stdout)
        self.assertIsNotNone(told, done.stdout)
        return int(told[1]), int(told[2]), int(told[3])

    def remembered(self):
        with open(self.state, encoding="utf-8") as file:
            return [int(word) for word in file.read().split()]

    def test_goes_on(self):
        pairs, connections, rate = self.compare(1)
        self.assertGreater(rate, 0)
        self.assertGreater(connections, pairs // 100)
        build, seed, *counted = self.remembered()
        self.assertEqual(counted, [pairs, connections])
        self.assertEqual(pairs, (seed - 1) * 200)
        more, _, _ = self.compare(pairs + 1)
        self.assertGreater(more, pairs)
        self.assertEqual(self.remembered()[:2], [build, 1 + more // 200])
        # Enough already.
        self.assertEqual(self.compare(more)[0], more)

    def test_another_binary_counts_anew_over_new_sets(self):
        with open(self.state, "w", encoding="utf-8") as file:
            file.write("1 1000 999999999 0\n")
        pairs, _, _ = self.compare(1)
        self.assertLess(pairs, 999999999)
        self.assertEqual(self.remembered()[1], 1000 + pairs // 200)

    def test_refuses_what_it_cannot_do(self):
        self.assertEqual(self.run_soak().returncode, 2)
        self.assertEqual(self.run_soak(self.state, "many").returncode, 2)
        self.assertEqual(self.run_soak("/nowhere/state", "1").returncode, 2)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
