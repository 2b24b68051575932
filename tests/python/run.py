#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs pytest on the bindings that were built here; its cases are Bazel's.

Usage: run.py FILE...
"""

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.abspath("bindings/python"))

import pytest  # noqa: E402

OPTIONS = ["-q", "-p", "no:cacheprovider"]
if "TEST_TMPDIR" in os.environ:
    OPTIONS.append("--basetemp=" + os.path.join(os.environ["TEST_TMPDIR"], "pytest"))
if "XML_OUTPUT_FILE" in os.environ:
    OPTIONS.append("--junitxml=" + os.environ["XML_OUTPUT_FILE"])
sys.exit(pytest.main(OPTIONS + sys.argv[1:]))
