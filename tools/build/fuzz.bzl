"""cc_fuzz: one libFuzzer entry point, as a fuzzer and as an ordinary test."""

load("@rules_cc//cc:defs.bzl", "cc_binary", "cc_test")

def cc_fuzz(name, src, seeds, deps):
    """Builds `src`, which defines LLVMFuzzerTestOneInput, twice.

    <name>         with libFuzzer. Needs --config=fuzz:
                     bazel run --config=fuzz //tests/fuzz:NAME -- CORPUS_DIRECTORY
    <name>_test    tries the seeds, and a fixed number of their mutations that
                   are the same in every run

    Args:
      name: ends in _fuzz.
      src: the entry point.
      seeds: files to begin with.
      deps: what it tests.
    """
    cc_binary(
        name = name,
        testonly = True,
        srcs = [src],
        linkopts = ["-fsanitize=fuzzer"],
        tags = ["manual"],
        deps = deps,
    )

    cc_test(
        name = name + "_test",
        size = "small",
        srcs = [src],
        args = ["$(locations {})".format(seed) for seed in seeds],
        data = seeds,
        deps = deps + ["//tests/fuzz:replay"],
    )
