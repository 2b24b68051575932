#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Installs the library, moves it, and builds programs against it by CMake and by
pkg-config; what they print is held against a matrix that was written by hand.

Runs at the root of the tree, among what was built.
"""

import glob
import json
import os
import shutil
import subprocess
import tempfile
import unittest

SOURCES = os.path.abspath("tests/package/consumer")
SHOP = os.path.abspath("examples/shop")
PACKETS = ["5432: delivered to db", "22: dropped"]
MESSAGE = "POLICY_DENIED web-0 -> 10.0.0.2:5432: default deny"


def run(*command, env=None):
    """The lines that a command prints, which must succeed."""
    done = subprocess.run(command, env={**os.environ, **(env or {})}, text=True,
                          capture_output=True, timeout=300, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout.splitlines()


def by_hand():
    """The lines of the shop's matrix."""
    with open(f"{SHOP}/expected.json", encoding="utf-8") as file:
        connections = json.load(file)["connections"]
    return [f"{c['src']} -> {c['dst']}:" +
            "".join(f" {a['protocol']} {a['from']}-{a['to']}" for a in c["allowed"])
            for c in connections]


class InstallTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # As a packager does: to one place, for another; and then it is moved.
        cls.work = tempfile.mkdtemp()
        run("tools/package/install.sh", "/opt/cc", env={"BUILT": ".", "DESTDIR": f"{cls.work}/stage"})
        cls.prefix = f"{cls.work}/moved here"
        shutil.move(f"{cls.work}/stage/opt/cc", cls.prefix)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.work)

    def test_cmake_builds_against_either_library(self):
        build = f"{self.work}/build"
        run("cmake", "-S", SOURCES, "-B", build, f"-DCMAKE_PREFIX_PATH={self.prefix}",
            "-DCMAKE_CXX_FLAGS=-Wall -Wextra -Werror")
        run("cmake", "--build", build, "-j", "2")
        self.assertEqual(run(f"{build}/matrix_shared", f"{SHOP}/manifests"), by_hand())
        self.assertEqual(run(f"{build}/matrix_static", f"{SHOP}/manifests"), by_hand())
        self.assertEqual(run(f"{build}/packet"), PACKETS)
        self.check_flow(run(f"{build}/flow"))
        self.assertIn("libciliumcore.so.0", self.needed(f"{build}/matrix_shared"))
        self.assertIn("libciliumcore.so.0", self.needed(f"{build}/packet"))
        self.assertNotIn("libciliumcore.so.0", self.needed(f"{build}/matrix_static"))

    def check_flow(self, lines):
        flow = json.loads(lines[0])
        self.assertEqual((flow["kind"], flow["verdict"]), ("DROP", "DROPPED"))
        self.assertEqual(flow["source"], {"namespace": "shop", "pod_name": "web-0"})
        self.assertEqual(flow["l4"]["TCP"]["destination_port"], 5432)
        self.assertEqual(lines[1:], [MESSAGE])

    def test_cmake_refuses_a_component_that_is_none(self):
        source = f"{self.work}/none"
        os.mkdir(source)
        with open(f"{source}/CMakeLists.txt", "w", encoding="utf-8") as out:
            out.write("cmake_minimum_required(VERSION 3.22)\nproject(none LANGUAGES CXX)\n"
                      "find_package(ciliumcore CONFIG REQUIRED COMPONENTS none)\n")
        done = subprocess.run(["cmake", "-S", source, "-B", f"{source}/build",
                               f"-DCMAKE_PREFIX_PATH={self.prefix}"],
                              capture_output=True, text=True, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("no component none", done.stderr)

    def test_cmake_refuses_another_version(self):
        for version in ("0.2", "1.0", "0.1.99"):
            done = subprocess.run(
                ["cmake", "-S", SOURCES, "-B", f"{self.work}/refused-{version}",
                 f"-DCMAKE_PREFIX_PATH={self.prefix}", f"-DWANTED={version}"],
                capture_output=True, text=True, check=False)
            self.assertNotEqual(done.returncode, 0, version)
            self.assertIn("0.1.0", done.stderr)

    def test_pkg_config_builds_against_either_library(self):
        # Its answers are words for a shell; a path with blanks would need quotes.
        prefix = f"{self.work}/plain"
        shutil.copytree(self.prefix, prefix, symlinks=True)
        env = {"PKG_CONFIG_PATH": f"{prefix}/lib/pkgconfig"}
        for package, source, arguments, expected in (
                ("ciliumcore", "matrix", [f"{SHOP}/manifests"], by_hand()),
                ("ciliumcore-static", "matrix", [f"{SHOP}/manifests"], by_hand()),
                ("ciliumcore-testing", "packet", [], PACKETS),
                ("ciliumcore-flow-proto", "flow", [], None)):
            with self.subTest(package):
                flags = run("pkg-config", "--cflags", "--libs", package, env=env)[0].split()
                program = f"{self.work}/{package}"
                run("c++", "-std=c++20", f"{SOURCES}/{source}.cc", "-o", program, *flags)
                lines = run(program, *arguments, env={"LD_LIBRARY_PATH": f"{prefix}/lib"})
                if expected is None:
                    self.check_flow(lines)
                else:
                    self.assertEqual(lines, expected)

    def test_headers_are_those_of_the_library_and_whole(self):
        headers = sorted(glob.glob("**/*.h", root_dir=f"{self.prefix}/include", recursive=True))
        self.assertGreater(len(headers), 40)
        source = f"{self.work}/headers.cc"
        with open(source, "w", encoding="utf-8") as out:
            for header in headers:
                self.assertTrue(header.startswith("ciliumcore/"), header)
                self.assertNotIn("internal", header)
                out.write(f'#include "{header}"\n')
        run("c++", "-std=c++20", "-fsyntax-only", "-I", f"{self.prefix}/include", source)

    def test_the_tool_and_the_licences_are_there(self):
        lines = run(f"{self.prefix}/bin/ccore", "policy", "matrix", "-f", f"{SHOP}/manifests")
        self.assertGreater(len(lines), 10)
        for name in ("LICENSE", "LICENSES/Apache-2.0.txt", "LICENSES/GPL-2.0-only.txt"):
            self.assertTrue(os.path.isfile(f"{self.prefix}/share/doc/ciliumcore/{name}"), name)

    def test_the_shared_library_shows_itself_alone(self):
        shown = run("nm", "-DC", "--defined-only", f"{self.prefix}/lib/libciliumcore.so")
        names = [line.split(" ", 2)[2] for line in shown]
        self.assertTrue(any(n.startswith("ciliumcore::Datapath::Open") for n in names))
        # The linker keeps a few that libstdc++ has too.
        others = [n for n in names if "ciliumcore::" not in n and not n.startswith("std::")]
        self.assertEqual(others, [])

    def needed(self, program):
        return "\n".join(l for l in run("readelf", "-d", program) if "NEEDED" in l)


if __name__ == "__main__":
    unittest.main()
