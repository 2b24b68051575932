#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The README shows the examples that it names.

  readme_test.py README.md EXAMPLE.cc EXAMPLE.py
"""

import re
import sys
import unittest

README, CPP_EXAMPLE, PYTHON_EXAMPLE = sys.argv[1:4]


def text_of(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def squeeze(code):
    """Without comments, and with all blanks alike."""
    return re.sub(r"\s+", " ", re.sub(r"//[^\n]*", "", code)).strip()


class Readme(unittest.TestCase):
    def test_the_readme_shows_the_example_in_cpp(self):
        shown = re.search(r"```cpp\n(.*?)```", text_of(README), re.DOTALL)[1]
        function = re.search(r"absl::Status Run\(.*?\n}\n", shown, re.DOTALL)[0]
        built = re.search(r"absl::Status Run\(.*?\n}\n", text_of(CPP_EXAMPLE), re.DOTALL)[0]
        braces = lambda code: re.sub(r"[{}] ?", "", squeeze(code))
        self.assertEqual(braces(function), braces(built))

    def test_the_readme_shows_the_example_in_python(self):
        (shown,) = re.findall(r"```python\n(.*?)```", text_of(README), re.DOTALL)
        # To the letter: it is run as it stands.
        self.assertIn("import ciliumcore as cc\n\n", shown)
        function = shown[shown.index("def run("):]
        self.assertIn("\n\n" + function + "\n\n", text_of(PYTHON_EXAMPLE))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
