"""merged_archive: the objects of several cc_librarys as one static library."""

def _archives(deps):
    """The static libraries of this repository that `deps` need, and no others."""
    found = []
    for dep in deps:
        for linked in dep[CcInfo].linking_context.linker_inputs.to_list():
            if linked.owner.workspace_name:
                continue
            for library in linked.libraries:
                archive = library.pic_static_library or library.static_library
                if archive:
                    found.append(archive)
    return depset(found).to_list()

def _merged_archive_impl(ctx):
    left_out = {archive: True for archive in _archives(ctx.attr.without)}
    archives = [a for a in _archives(ctx.attr.deps) if a not in left_out]
    if ctx.attr.indivisible:
        command = """set -e
object=$(mktemp -d)
trap 'rm -r "$object"' EXIT
ld -r -o "$object/{name}.o" --whole-archive {archives}
rm -f {out}
ar rcsD {out} "$object/{name}.o"
"""
    else:
        command = """set -e
rm -f {out}
{{
  echo create {out}
  for archive in {archives}; do echo addlib "$archive"; done
  echo save
  echo end
}} | ar -M
"""
    ctx.actions.run_shell(
        outputs = [ctx.outputs.out],
        inputs = archives,
        command = command.format(
            name = ctx.label.name,
            archives = " ".join([a.path for a in archives]),
            out = ctx.outputs.out.path,
        ),
        mnemonic = "MergeArchives",
    )

merged_archive = rule(
    implementation = _merged_archive_impl,
    doc = "What is linked of other repositories is left to the user of `out`.",
    attrs = {
        "deps": attr.label_list(providers = [CcInfo]),
        "without": attr.label_list(
            providers = [CcInfo],
            doc = "These and what they need are left out.",
        ),
        "indivisible": attr.bool(
            doc = "Who needs any object gets all: for objects that register " +
                  "themselves, and that no symbol leads to.",
        ),
        "out": attr.output(mandatory = True),
    },
)
