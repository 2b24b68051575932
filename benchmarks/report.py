#!/usr/bin/python3
"""Turns results of benchmarks into tables, and holds them to what is asked.

Usage: report.py [--docs FILE] RESULT.json...

Prints the tables; with --docs also writes them into FILE, between the lines
"<!-- table: NAME -->" and "<!-- end -->".
"""

import json
import os
import re
import sys

def packet_target(where, flows):
    """What a packet may cost, in parts of the recorded figure."""
    if where == "drop_while_read":
        return 0.03
    if where == "drop":
        return 0.45
    if flows == "new":
        return 0.5
    if flows in ("65536", "262144"):
        return 0.45
    return 0.2 if where in ("local", "to_endpoint") else 0.3


# How many times faster than the classic way a lookup is to be.
LOOKUP_TARGETS = {"BM_Decision": 4, "BM_Identity": 3}
LOOKUP_NAMES = {"BM_Decision": "decision, {} peers x 16 ports",
                "BM_Identity": "identity, {} addresses"}
# From how many entries on: among a few, nothing is slow.
LOOKUP_FEWEST = 1000
# What a decision may cost, in parts of one lookup in a hash of as many peers.
DECISION_BOUND = 1.1
BALANCER_NAMES = {
    "lb_pass": "to no service",
    "lb_steady": "to a backend",
    "lb_moving": "to a backend, all slots moving",
}
PACKET_NAMES = {
    "remote_by_route": "to a remote pod, by the node's routes",
    "remote_by_hop": "to a remote pod, by next hop",
    "local": "to a local pod, both policies",
    "to_endpoint": "from a remote pod into the endpoint",
    "drop": "denied, event written",
    "drop_while_read": "denied, event written and read",
}


# Of services of ten backends each, their figures and bounds in milliseconds.
SERVICE_CHANGES = [
    ("put 10,000 services in force", "upsert_ms", 1000),
    ("change one of 10,000 services, median", "one_ms", 1),
    ("change one backend of 1,000 of them, median", "together_ms", 10)]


def is_met(found, bound):
    return "" if found <= bound else "missed"


def is_disturbed(row, rows):
    """Whether something else took the core: figures recorded elsewhere say nothing then."""
    calm = min(r["driver_ns"] for r in rows if "driver_ns" in r)
    return row["driver_ns"] > calm * 1.15


def number(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def parts(name):
    """Of "local/ipv4/1024/iterations:1/manual_time", without what measures."""
    return [p for p in name.split("/")
            if not p.startswith("iterations:") and p not in ("manual_time", "real_time")]


def packets(rows):
    yield ["packet", "", "flows", "ns", "classic", "ratio", "recorded", "ratio", "at most", ""]
    for row in rows:
        if "of_classic" not in row:
            continue
        where, family, *flows = parts(row["name"])
        flows = flows[0] if flows else "1"
        line = [PACKET_NAMES[where], family, flows if flows == "new" else number(int(flows)),
                number(row["real_time"]), number(row["classic_ns"]), f"{row['of_classic']:.2f}"]
        if "of_recorded" in row:
            target = packet_target(where, flows)
            line += [number(row["recorded_ns"]), f"{row['of_recorded']:.2g}", str(target),
                     "disturbed" if is_disturbed(row, rows) else
                     is_met(row["of_recorded"], target)]
        yield line + [""] * (10 - len(line))


def balancer(rows):
    yield ["load balancer", "", "flows", "ns", "Katran, recorded", "ratio", "at most", ""]
    for row in rows:
        what, *rest = parts(row["name"])
        if what not in BALANCER_NAMES:
            continue
        family, *flows = rest
        flows = flows[0] if flows else "1"
        line = [BALANCER_NAMES[what], family, flows if flows == "new" else number(int(flows)),
                number(row["real_time"])]
        if "of_recorded" in row:
            line += [number(row["recorded_ns"]), f"{row['of_recorded']:.2f}", "0.5",
                     "disturbed" if is_disturbed(row, rows) else
                     is_met(row["of_recorded"], 0.5)]
        yield line + [""] * (8 - len(line))


def stickiness(rows):
    yield ["live flows", "had to move", "moved besides", "at most", "", "evicted"]
    for row in rows:
        if parts(row["name"])[0] == "lb_stickiness":
            yield [number(row["flows"]), number(row["had_to_move"]),
                   number(row["moved_besides"]), "0", is_met(row["moved_besides"], 0),
                   number(row["evicted"])]


def lookups(rows):
    yield ["lookup", "ns", "classic", "times faster", "at least", ""]
    for row in rows:
        name, *size = parts(row["name"])
        if name in LOOKUP_TARGETS and int(size[0]) >= LOOKUP_FEWEST:
            target = LOOKUP_TARGETS[name]
            yield [LOOKUP_NAMES[name].format(number(int(size[0]))), number(row["real_time"]),
                   number(row["classic_ns"]), f"{row['times_faster']:.1f}", str(target),
                   is_met(target, row["times_faster"])]


def decisions(rows):
    yield ["peers", "decision, ns", "bare lookup", "ratio", "at most", "", "bare, peers x ports",
           "classic"]
    for row in rows:
        name, *size = parts(row["name"])
        if name == "BM_Decision":
            yield [number(int(size[0])), number(row["real_time"]), number(row["bare_ns"]),
                   f"{row['of_bare']:.2f}", f"{DECISION_BOUND:.2f}",
                   is_met(row["of_bare"], DECISION_BOUND), number(row["flows_ns"]),
                   number(row["classic_ns"])]


def programs(rows):
    fastest = {}
    for row in rows:
        where, *rest = parts(row["name"])
        if "of_classic" in row and rest == ["ipv4"] and not where.startswith("drop"):
            fastest.setdefault("cc_to_endpoint" if where == "to_endpoint" else
                               "cc_from_endpoint", []).append(row["real_time"])
    yield ["program", "verified instructions", "stack", "bytes of machine code",
           "ns per packet"]
    for row in rows:
        kind, *name = parts(row["name"])
        if kind == "program":
            times = fastest.get(name[0])
            yield [name[0], number(row["instructions"]), number(row["stack"]),
                   number(row["jited_bytes"]),
                   " to ".join(sorted({f"{t:.0f}" for t in (min(times), max(times))}, key=int))
                   if times else ""]


def changes(rows):
    bounds = {"open": ("open a datapath: load all programs, make all maps", 200),
              "attach": ("attach one endpoint to 1,000, median", 5),
              "rule": ("change one rule of 1,000 endpoints, median", 1),
              "rule_of_all": ("change a rule that selects 1,000 endpoints, median", 1),
              "adopt": ("open an instance of 1,000 endpoints and 10,000 services", 200)}
    yield ["change", "ms", "at most", ""]
    for row in rows:
        kind = parts(row["name"])[0]
        if kind in bounds:
            name, bound = bounds[kind]
            yield [name, f"{row['real_time']:.1f}", str(bound), is_met(row["real_time"], bound)]
        if kind == "services":
            for name, counter, bound in SERVICE_CHANGES:
                yield [name, number(row[counter]), str(bound), is_met(row[counter], bound)]


def maps(rows):
    least = {}  # of the repetitions, by name; an entry's share of a batch
    for row in rows:
        if row["file"] != "maps_benchmark" or row.get("run_type") != "iteration":
            continue
        name, *size = parts(re.sub(r"/repeats:\d+", "", row["name"]))
        entries = int(size[0]) if "Batch" in name else 1
        name += f" of {entries}" if entries > 1 else ""
        least[name] = min(row["real_time"] / entries, least.get(name, float("inf")))
    yield ["map", "ns", "bare", "ratio", "at most", ""]
    for what in ("Lookup", "Miss", "Put"):
        if f"BM_Typed{what}" in least:
            ours, bare = least[f"BM_Typed{what}"], least[f"BM_Bare{what}"]
            yield [what.lower(), number(ours), number(bare), f"{ours / bare:.2f}", "1.05",
                   is_met(ours / bare, 1.05)]
    for name, ours in least.items():
        if name.startswith("BM_PutBatch"):
            alone = least["BM_TypedPut"]
            yield [f"put in a batch{name[len('BM_PutBatch'):]}", number(ours), number(alone),
                   f"{ours / alone:.2f}", "0.5", is_met(ours / alone, 0.5)]


def services(rows):
    # Of connect(): what a service adds to the hook, and the bound, half of what Cilium's
    # lookup was recorded to add (150 to 250 ns); what a lookup in the kernel's hash of as
    # many adds, and connect() as a part of connect() with that.
    yield ["connect to one of", "ns", "hook", "service", "at most", "", "bare lookup", "ratio",
           "at most", "", "upsert, ms"]
    for row in rows:
        name, *size = parts(row["name"])
        if name == "BM_Connect":
            yield [number(int(size[0])), number(row["real_time"]), number(row["hook_ns"]),
                   number(row["service_ns"]), "125", is_met(row["service_ns"], 125),
                   number(row["lookup_ns"]), f"{row['of_lookup']:.2f}", "1.10",
                   is_met(row["of_lookup"], 1.1), f"{row['upsert_ms']:.3g}"]


def maglev(rows):
    yield ["Maglev table", "backends", "ms", "classic", "times faster",
           "weighted, of equal weights", "at most", ""]
    for row in rows:
        name, *size = parts(row["name"])
        if name == "BM_Maglev":
            yield [number(int(size[0])), number(int(size[1])), f"{row['real_time']:.2f}",
                   f"{row['classic_ns'] / 1e6:.2f}", f"{row['times_faster']:.1f}",
                   f"{row['of_equal_weights']:.2f}", "1.20",
                   is_met(row["of_equal_weights"], 1.2)]


def maglev_changes(rows):
    yield ["Maglev table", "backends", "moved besides, %", "Cilium's table, %", ""]
    for row in rows:
        name, *size = parts(row["name"])
        if name == "BM_MaglevChange":
            yield [number(int(size[0])), number(int(size[1])), f"{row['moved_percent']:.2f}",
                   f"{row['cilium_percent']:.2f}",
                   is_met(row["moved_percent"], row["cilium_percent"])]


# How many times fewer entries than of peers x ports are asked for.
LAYOUT_BOUND = 20
LAYOUT_NAMES = {
    "open_services": "20,000 services, open to each other on 4 ports; 110 pods here",
    "closed_services": "the same, in 20 namespaces, each closed to the others",
    "nested_blocks": "1,000 prefixes inside one that has 32 ports; 10 pods here",
}


def layouts(rows):
    yield ["policies", "entries", "KB", "peers x ports", "KB", "times fewer", "at least", "",
           "of one pod alone", "peers x ports", "times fewer"]
    for row in rows:
        name, *shape = parts(row["name"])
        if name == "BM_Layout":
            yield [LAYOUT_NAMES[shape[0]], number(row["entries"]), number(row["bytes"] / 1e3),
                   number(row["flow_entries"]), number(row["flow_bytes"] / 1e3),
                   f"{row['times_fewer']:.0f}", str(LAYOUT_BOUND),
                   is_met(LAYOUT_BOUND, min(row["times_fewer"], row["times_smaller"])),
                   number(row["one_entries"]), number(row["one_flow_entries"]),
                   f"{row['one_times_fewer']:.1f}"]


def compilations(rows):
    yield ["policies", "identities", "rules", "ms of CPU", "peak, MB", "kept, MB", "entries",
           "peers x ports", "times fewer"]
    for row in rows:
        name, *size = parts(row["name"])
        if name == "BM_FullCompile":
            identities, rules = (int(part.split(":")[1]) for part in size[1:])
            yield [size[0], number(identities), number(rules), number(row["cpu_time"]),
                   number(row["peak_mb"]), number(row["kept_mb"]), number(row["entries"]),
                   number(row["flow_entries"]), number(row["times_fewer"])]


def others(rows):
    known = ("load", "open", "attach", "rule", "rule_of_all", "adopt", "program", "BM_Connect",
             "BM_Maglev", "BM_MaglevChange", "services", "BM_Layout", "BM_FullCompile",
             "lb_stickiness", *BALANCER_NAMES)
    yield ["other", "time"]
    for row in rows:
        name = parts(row["name"])
        if ("of_classic" in row or name[0] in LOOKUP_TARGETS or name[0] in known
                or row["file"] == "maps_benchmark"):
            continue
        yield ["/".join(name), f"{row['real_time']:.3g} {row['time_unit']}"]


TABLES = {"packets": packets, "lookups": lookups, "decisions": decisions, "programs": programs,
          "changes": changes, "services": services, "maglev": maglev,
          "maglev changes": maglev_changes, "balancer": balancer, "stickiness": stickiness,
          "layouts": layouts, "compilations": compilations,
          "maps": maps, "others": others}


NUMBER = re.compile(r"([\d.,]+( to \d+)?|new)?$")


def numeric_in(lines):
    """Which columns hold numbers, or nothing, below their heads."""
    return [all(NUMBER.match(line[i]) for line in lines[1:]) for i in range(len(lines[0]))]


def as_text(lines):
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    columns = list(zip(widths, numeric_in(lines)))
    return "\n".join(
        "  ".join(cell.rjust(width) if numeric else cell.ljust(width)
                  for cell, (width, numeric) in zip(line, columns)).rstrip()
        for line in lines)


def as_markdown(lines):
    rows = ["| " + " | ".join(line) + " |" for line in lines]
    rows.insert(1, "|" + "".join("---:|" if numeric else "---|" for numeric in numeric_in(lines)))
    return "\n".join(rows)


def machine(context):
    with open("/proc/cpuinfo", encoding="utf-8") as cpuinfo:
        models = re.findall(r"model name\s*:\s*(.*)", cpuinfo.read())
    model = models[0].strip() if models else os.uname().machine
    return f"{context['num_cpus']} CPUs ({model}), Linux {os.uname().release}"


def write_docs(path, tables):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    for name, table in tables.items():
        text = re.sub(rf"(<!-- table: {name} -->\n).*?(\n?<!-- end -->)",
                      lambda found, table=table: found[1] + table + "\n<!-- end -->",
                      text, flags=re.DOTALL)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def main(argv):
    docs = None
    if argv[:1] == ["--docs"]:
        docs, argv = argv[1], argv[2:]
    rows, context = [], {}
    for path in argv:
        with open(path, encoding="utf-8") as file:
            result = json.load(file)
        context = result["context"]
        name = os.path.basename(path)[:-len(".json")]
        rows += [dict(row, file=name) for row in result["benchmarks"]]
    print(machine(context))
    written = {"machine": machine(context)}
    for name, table in TABLES.items():
        lines = list(table(rows))
        if len(lines) > 1:
            print("\n" + as_text(lines))
            written[name] = as_markdown(lines)
    if docs:
        write_docs(docs, written)


if __name__ == "__main__":
    main(sys.argv[1:])
