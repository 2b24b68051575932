#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The README shows the example that it names.

  readme_test.py README.md EXAMPLE.cc
"""

import re
import sys
import unittest

README, EXAMPLE = sys.argv[1:3]


def text_of(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def squeeze(code):
    """Without comments, and with all blanks alike."""
    return re.sub(r"\s+", " ", re.sub(r"//[^\n]*", "", code)).strip()


class Readme(unittest.TestCase):
    def test_the_readme_shows_the_example(self):
        shown = re.search(r"```cpp\n(.*?)```", text_of(README), re.DOTALL)[1]
        function = re.search(r"absl::Status Run\(.*?\n}\n", shown, re.DOTALL)[0]
        built = re.search(r"absl::Status Run\(.*?\n}\n", text_of(EXAMPLE), re.DOTALL)[0]
        braces = lambda code: re.sub(r"[{}] ?", "", squeeze(code))
        self.assertEqual(braces(function), braces(built))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
