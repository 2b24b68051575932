"""bpf_object: one BPF program file, compiled for the kernel and for a process."""

load("@rules_cc//cc:defs.bzl", "cc_library")

# One source, two compilers: what both must accept.
_LANGUAGE = [
    "-std=gnu11",
    "-Wall",
    "-Wextra",
    "-Werror",
]

_BPF = _LANGUAGE + [
    "--target=bpf",
    "-mcpu=v3",
    "-O2",
    "-g",
    "-I.",
    "-Iinclude",
    # <asm/types.h>, which a cross target does not look for.
    "-isystem /usr/include/$$(uname -m)-linux-gnu",
]

_CLANG = "clang-19"
_STRIP = "llvm-strip-19"
_BPFTOOL = "/usr/sbin/bpftool"

def bpf_object(name, src, hdrs, native_twin = True, visibility = None):
    """Compiles `src` three ways.

    <name>.bpf.o     the kernel's object, with BTF and without DWARF
    <name>_skel      <name>.skel.h, the object embedded in a typed C++ header
    <name>_native    the same program as host C, over the model in //bpf/native;
                     instrumented by --config=asan and --config=cov

    Args:
      name: of the object and of the skeleton's struct.
      src: the .bpf.c file.
      hdrs: every header it may include.
      native_twin: whether there is a <name>_native; not for programs that only
        make sense in a kernel, such as those that drive others.
      visibility: of all three.
    """
    native.genrule(
        name = name,
        srcs = [src] + hdrs,
        outs = [name + ".bpf.o"],
        cmd = "{clang} {flags} -c $(location {src}) -o $@ && {strip} -g $@".format(
            clang = _CLANG,
            flags = " ".join(_BPF),
            src = src,
            strip = _STRIP,
        ),
        message = "Compiling for BPF",
        visibility = visibility,
    )

    native.genrule(
        name = name + "_skel_h",
        srcs = [name + ".bpf.o"],
        outs = [name + ".skel.h"],
        cmd = "{} gen skeleton $< name {} > $@".format(_BPFTOOL, name),
        message = "Embedding",
    )

    cc_library(
        name = name + "_skel",
        hdrs = [name + ".skel.h"],
        visibility = visibility,
        deps = ["@system//:libbpf"],
    )

    if not native_twin:
        return

    cc_library(
        name = name + "_native",
        srcs = [src],
        # Words are loaded whole, whatever their fields are (abi/base.h).
        copts = _LANGUAGE + ["-fno-strict-aliasing"],
        visibility = visibility,
        deps = ["//bpf/native"],
        # Programs and maps register themselves.
        alwayslink = True,
    )
