#!/usr/bin/env python3
"""report.py - the results of one run of run.py as Markdown: what each tool took, and how they compare.

usage: report.py [--results DIR] [--ours NAME]

Best wall time of each step, smallest repository. Only numbers of one run on one machine are comparable,
and only as ratios; steps during which other processes used much of the processors are named at the end.
"""
import argparse
import glob
import json
import os
import re
import sys

MIB = 2**20
STEPS = ("full", "again", "night", "grown", "restore", "verify", "prune")


def load(path):
    """What one tool took, by the names of the table. A step that is absent or failed is None."""
    with open(path) as f:
        d = json.load(f)
    # "again": nothing changed, and everything is read. Tools that trust a file's time are told not to.
    reread = any("reread" in r for r in d["reps"])
    key = {"again": "reread" if reread else "same", "night": "incr"}

    def runs(step):
        name = key.get(step, step)
        return [r[name] for r in d["reps"] if name in r and r[name]["rc"] == 0]

    def stored(step):
        return min((r["repo"]["bytes"] / MIB for r in runs(step)), default=None)

    t = {s: min((r["wall"] for r in runs(s)), default=None) for s in STEPS}
    t["name"] = d["name"]
    dotted = re.search(r"\d+(\.\d+)+\S*", d["version"])
    t["version"] = dotted.group(0) if dotted else d["version"].split("\n")[0]
    t["full MiB"] = stored("full")
    t["night MiB"] = None if stored("night") is None or stored("again") is None else stored("night") - stored("again")
    t["files"] = min((r["repo"]["files"] for r in runs("full")), default=None)
    steps = [v for r in d["reps"] for k, v in r.items() if "rss_mib" in v]
    t["memory"] = max((v["rss_mib"] for v in steps), default=None)
    mounts = [r["mount"] for r in d["reps"] if "mount" in r]
    t["4 KiB reads"] = mounts[-1].get("rand4k", {}).get("iops") if mounts else None
    t["vol"], t["reps"] = d["vol"], len(d["reps"])
    t["noise"] = [
        "%s %s: others used %.1f s of processor time during %.1f s" % (d["name"], k, v["other_cpu"], v["wall"])
        for r in d["reps"] for k, v in r.items() if "other_cpu" in v and v["other_cpu"] > 0.1 * v["wall"] + 0.1
    ]
    return t


def number(v, digits=1):
    return "–" if v is None else "%.*f" % (digits, v)


def ratio(a, b):
    return "–" if not a or not b else "%.1f" % (a / b) if a / b < 100 else "%.0f" % (a / b)


def table(head, rows):
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print()


def main():
    bench = os.environ.get("VARVE_BENCH", "/var/tmp/varve-bench")
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--results", default=os.path.join(bench, "results"))
    ap.add_argument("--ours", default="varve", help="the tool that the others are compared with")
    args = ap.parse_args()
    paths = [p for p in sorted(glob.glob(args.results + "/*.json")) if os.path.basename(p) != "cat.json"]
    tools = [load(p) for p in paths]
    if not tools:
        print("report.py: no results in " + args.results, file=sys.stderr)
        return 1
    tools.sort(key=lambda t: (t["name"] != args.ours, not t["name"].startswith(args.ours), t["name"]))
    with open(args.results + "/cat.json") as f:
        cat = json.load(f)
    floor = {s: min(cat["floor"]["vol%d" % i]) for s, i in
             (("full", 0), ("again", 0), ("night", 1), ("grown", 2), ("restore", 2), ("verify", 2))}
    vol = tools[0]["vol"]
    print("Measured %s on %d processors, best of %d: an image of %d MiB, %d %% of it zeros; %.1f %% of its blocks"
          " change in a night.\n" % (cat["when"], cat["cpus"], min(t["reps"] for t in tools), vol["size_mib"],
                                     100 * vol["vol0"]["zero_4k"] / vol["vol0"]["blocks_4k"],
                                     100 * vol["vol1"]["changed_4k"] / vol["vol1"]["blocks_4k"]))

    table(("tool", "full s", "full MiB", "files", "read again s", "a night s", "a night MiB", "grown s", "restore s",
           "verify s", "prune s", "4 KiB reads/s through the mount", "memory MiB"),
          [(t["name"] + " (" + t["version"] + ")", number(t["full"]), number(t["full MiB"], 0), number(t["files"], 0),
            number(t["again"]), number(t["night"]), number(t["night MiB"], 0), number(t["grown"]),
            number(t["restore"]), number(t["verify"]), number(t["prune"]), number(t["4 KiB reads"], 0),
            number(t["memory"], 0)) for t in tools])

    print("Times as a multiple of `cat IMAGE >/dev/null` (%.2f s), the least that reading it all can take:\n" % floor["full"])
    table(("tool",) + tuple(floor), [(t["name"],) + tuple(ratio(t[s], floor[s]) for s in floor) for t in tools])

    ours = next((t for t in tools if t["name"] == args.ours), None)
    if ours and len(tools) > 1:
        columns = ("full", "full MiB", "again", "night", "night MiB", "grown", "restore", "verify", "memory")
        print("Others ÷ %s (above 1: %s needs less):\n" % (args.ours, args.ours))
        table(("tool",) + columns, [(t["name"],) + tuple(ratio(t[c], ours[c]) for c in columns)
                                    for t in tools if t is not ours])

    noise = [n for t in tools for n in t["noise"]]
    if noise:
        print("The machine was not idle; measure again before believing these:\n")
        for n in noise:
            print("- " + n)
    return 0


if __name__ == "__main__":
    sys.exit(main())
