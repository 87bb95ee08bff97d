#!/usr/bin/env python3
"""run.py - takes backup tools, each described by a TOML file, through the workload of gen.py.

usage (root): run.py TOOL.toml... [--reps N] [--results DIR] [--no-mount] ...

A tool file:
  version = "shell command printing the version"
  note    = "free text"
  reps    = 3                         # optional, else --reps
  [env]                               # exported to every step ($ is expanded by the shell)
  RESTIC_PASSWORD = "x"
  [steps]                             # shell commands; only backup and restore must be there
  init    = "..."                     # untimed; default: mkdir -p $REPO
  backup  = "..."                     # revision $REV of $DISK
  full / same / incr / grown = ".."   # instead of `backup`, at that step
  reread  = "..."                     # nothing changed, but the tool is told to read everything
  restore = "..."                     # revision $REV to the file $OUT
  verify  = "..."                     # reads all data
  prune   = "..."                     # removes revision r0 and frees its space
  mount   = "..."                     # process that serves $REV under $MNT or $SOCK until it is ended
  mount_file = "glob"                 # the image's path under $MNT, or
  mount_nbd  = "nbd+unix:///?socket=$SOCK" # an NBD address for fio
  umount  = "..."                     # optional; default: fusermount -u $MNT, then SIGTERM
Variables: WORK REPO DISK REV PREV OUT MNT SOCK DATA.  DISK is always the same path (a hard link to
volN.img), so that tools that find the parent revision by path do so; inode and mtime differ between
volumes and stay the same between `full` and `same`.

A timed step: take the lock, sync, read the input once (the page cache is warm), run the command under
/usr/bin/time, then time a `sync`.  Recorded: wall, user+sys, memory, sync, processor seconds that the
rest of the machine used meanwhile (noise), bytes and files of the repository.
The floor, `cat IMAGE >/dev/null`, is measured in the same run.
Results: RESULTS/TOOL.json (every repetition, not only the best) and RESULTS/cat.json.
Exit: 0, or 1 if a step failed or a restored image was not the same.
"""
import argparse
import fcntl
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib

BENCH = os.path.abspath(os.environ.get("VARVE_BENCH", "/var/tmp/varve-bench"))
TICKS = os.sysconf("SC_CLK_TCK")
MIB = 2**20


class Lock:
    """One measurement at a time on this machine, whoever runs it."""

    def __enter__(self):
        os.makedirs(BENCH, exist_ok=True)
        self.file = open(BENCH + "/.lock", "a")
        begun = time.time()
        fcntl.flock(self.file, fcntl.LOCK_EX)
        if time.time() - begun > 1:
            print("   (waited %.0f s for another measurement)" % (time.time() - begun), flush=True)

    def __exit__(self, *_):
        self.file.close()


def processor_seconds():
    """What all of the machine has used so far, and what its host took away."""
    with open("/proc/stat") as f:
        v = [int(x) for x in f.readline().split()[1:]]
    return (v[0] + v[1] + v[2] + v[5] + v[6]) / TICKS, v[7] / TICKS


def warm(path):
    if os.path.exists(path):
        subprocess.run(["cat", path], stdout=subprocess.DEVNULL)


def timed(cmd, env, log, inputs=(), cold=False):
    """Runs a shell command and returns what it took."""
    out = env["WORK"] + "/time.txt"
    with Lock():
        os.sync()
        if cold:
            with open("/proc/sys/vm/drop_caches", "w") as f:
                f.write("3")
        else:
            for path in inputs:
                warm(path)
        time.sleep(0.3)
        busy, stolen = processor_seconds()
        begun = time.monotonic()
        with open(log, "ab") as lf:
            lf.write(("\n$ " + cmd + "\n").encode())
            lf.flush()
            code = subprocess.run(
                ["/usr/bin/time", "-v", "-o", out, "bash", "-c", cmd],
                env=env, stdout=lf, stderr=lf, stdin=subprocess.DEVNULL,
            ).returncode
        wall = time.monotonic() - begun
        busy_after, stolen_after = processor_seconds()
        begun = time.monotonic()
        os.sync()
        sync = time.monotonic() - begun
    with open(out) as f:
        text = f.read()
    number = lambda key: float(re.search(key + r": ([\d.]+)", text).group(1))
    user, system = number(r"User time \(seconds\)"), number(r"System time \(seconds\)")
    return {
        "rc": code,
        "wall": round(wall, 3),
        "user": user,
        "sys": system,
        "cpu": round(user + system, 2),
        "rss_mib": round(number(r"Maximum resident set size \(kbytes\)") / 1024, 1),
        "sync_after": round(sync, 3),
        "other_cpu": round(max(0, busy_after - busy - user - system), 2),
        "steal": round(stolen_after - stolen, 2),
    }


def repository_size(path):
    total = {"bytes": 0, "alloc": 0, "files": 0}
    for name in files_below(path):
        st = os.lstat(name)
        total["bytes"] += st.st_size
        total["alloc"] += st.st_blocks * 512
        total["files"] += 1
    return total


def files_below(path):
    return [os.path.join(d, f) for d, _, files in os.walk(path) for f in files]


def shell(cmd, env, log=None):
    """Runs a shell command untimed; with a log its output goes there, else it is returned."""
    if log is None:
        return subprocess.run(["bash", "-c", cmd], env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    with open(log, "ab") as lf:
        return subprocess.run(["bash", "-c", cmd], env=env, stdout=lf, stderr=lf, stdin=subprocess.DEVNULL)


def same(a, b):
    return os.path.exists(a) and os.path.exists(b) and subprocess.run(["cmp", "-s", a, b]).returncode == 0


class Tool:
    """One tool on its way through the workload."""

    def __init__(self, path, args):
        with open(path, "rb") as f:
            spec = tomllib.load(f)
        self.name = os.path.splitext(os.path.basename(path))[0]
        self.steps = spec["steps"]
        self.reps = args.reps or spec.get("reps", 3)
        self.args = args
        self.work = os.path.join(args.work, self.name)
        self.base = os.path.join(args.repo_base, self.name) if args.repo_base else self.work
        self.log = os.path.join(args.results, self.name + ".log")
        self.failures = []
        for d in {self.work, self.base}:
            shutil.rmtree(d, ignore_errors=True)
            os.makedirs(d)
        os.makedirs(self.work + "/src")
        open(self.log, "w").close()
        self.env = dict(
            os.environ, WORK=self.work, REPO=self.base + "/repo", DISK=self.work + "/src/disk.img",
            OUT=self.base + "/out.img", MNT=self.work + "/mnt", SOCK=self.work + "/nbd.sock",
            DATA=args.data, HOME=self.work, LC_ALL="C.UTF-8",
        )
        for key, value in spec.get("env", {}).items():
            self.env[key] = shell('echo -n "%s"' % value, self.env).stdout
        with open(args.data + "/vol.json") as f:
            vol = json.load(f)
        self.result = {
            "name": self.name, "note": spec.get("note", ""), "when": time.strftime("%F %T"),
            "version": shell(spec["version"], self.env).stdout.strip(),
            "steps": self.steps, "env": spec.get("env", {}), "vol": vol, "reps": [], "cold": [],
        }

    def volume(self, i):
        return os.path.join(self.args.data, "vol%d.img" % i)

    def present(self, i):
        """Makes DISK the i-th state of the volume."""
        if os.path.exists(self.env["DISK"]):
            os.unlink(self.env["DISK"])
        os.link(self.volume(i), self.env["DISK"])

    def fresh(self):
        """Removes everything but the source, and makes an empty repository."""
        for d in {self.work, self.base}:
            for name in os.listdir(d):
                path = os.path.join(d, name)
                if name == "src":
                    continue
                if os.path.isdir(path) and not os.path.islink(path):
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    os.unlink(path)
        if shell(self.steps.get("init", "mkdir -p $REPO"), self.env, self.log).returncode:
            raise SystemExit("init of %s failed, see %s" % (self.name, self.log))

    def step(self, rep, key, cmd, inputs=(), rev="", prev="", size=True, cold=False):
        self.env.update(REV=rev, PREV=prev)
        r = rep[key] = timed(cmd, self.env, self.log, inputs, cold)
        if size:
            r["repo"] = repository_size(self.env["REPO"])
        text = "%-10s %-8s rc=%d %7.2f s  cpu %7.2f s  %6.1f MiB of memory  sync %5.2f s  others %5.2f s" % (
            self.name, key, r["rc"], r["wall"], r["cpu"], r["rss_mib"], r["sync_after"], r["other_cpu"])
        if size:
            text += "  repository %.1f MiB in %d files" % (r["repo"]["bytes"] / MIB, r["repo"]["files"])
        print(text, flush=True)
        if r["rc"]:
            self.failures.append("%s %s: exit code %d, see %s" % (self.name, key, r["rc"], self.log))

    def backups(self, rep):
        """A full, the same again, a day later, another day later and grown."""
        backup = self.steps["backup"]
        self.present(0)
        self.step(rep, "full", self.steps.get("full", backup), [self.volume(0)], "r0")
        self.step(rep, "same", self.steps.get("same", backup), [self.volume(0)], "r1", "r0")
        before = "r1"
        if "reread" in self.steps:
            before = "r1b"
            self.step(rep, "reread", self.steps["reread"], [self.volume(0)], before, "r1")
        self.present(1)
        self.step(rep, "incr", self.steps.get("incr", backup), [self.volume(1)], "r2", before)
        self.present(2)
        self.step(rep, "grown", self.steps.get("grown", backup), [self.volume(2)], "r3", "r2")

    def restore(self, rep):
        out = self.env["OUT"]
        inputs = files_below(self.env["REPO"]) if self.args.warm_repo else []
        self.step(rep, "restore", self.steps["restore"], inputs, "r3", "r2", size=False)
        rep["restore"]["identical"] = self.came_back()
        rep["restore"]["out_alloc"] = os.stat(out).st_blocks * 512 if os.path.exists(out) else 0
        self.forget_output()

    def came_back(self):
        identical = same(self.env["OUT"], self.volume(2))
        if not identical:
            self.failures.append("%s: the restored image is not the same" % self.name)
        return identical

    def forget_output(self):
        if os.path.exists(self.env["OUT"]):
            os.unlink(self.env["OUT"])

    def prune(self, rep, last):
        self.step(rep, "prune", self.steps["prune"], [], "r0")
        if last:
            self.env.update(REV="r3", PREV="r2")
            shell(self.steps["restore"], self.env, self.log)
            rep["prune"]["identical_after"] = self.came_back()
            self.forget_output()

    def run(self):
        for i in range(self.reps):
            rep, last = {}, i == self.reps - 1
            self.result["reps"].append(rep)
            self.fresh()
            self.backups(rep)
            self.restore(rep)
            if "verify" in self.steps:
                self.step(rep, "verify", self.steps["verify"], [], "r3", "r2", size=False)
            if "mount" in self.steps and last and not self.args.no_mount:
                self.env.update(REV="r3", PREV="r2")
                rep["mount"] = measure_mount(self)
                print("%-10s mount    %s" % (self.name, json.dumps(rep["mount"])), flush=True)
            if "prune" in self.steps:
                self.prune(rep, last)
            self.save()
        for _ in range(self.args.cold):
            r = {}
            self.fresh()
            self.present(0)
            self.step(r, "cold", self.steps.get("full", self.steps["backup"]), [], "r0", cold=True)
            self.result["cold"].append(r["cold"])
        self.save()
        if not self.args.keep:
            for d in {self.work, self.base}:
                shutil.rmtree(d, ignore_errors=True)

    def save(self):
        with open(os.path.join(self.args.results, self.name + ".json"), "w") as f:
            json.dump(self.result, f, indent=1)


def measure_mount(tool):
    """Serves the newest revision, reads from it at random and in sequence, and loop-mounts it."""
    env, steps = tool.env, tool.steps
    os.makedirs(env["MNT"], exist_ok=True)
    if os.path.exists(env["SOCK"]):
        os.unlink(env["SOCK"])
    with Lock(), open(tool.log, "ab") as lf:
        os.sync()
        begun = time.monotonic()
        server = subprocess.Popen(["bash", "-c", "exec " + steps["mount"]],
                                  env=env, stdout=lf, stderr=lf, stdin=subprocess.DEVNULL)
        target = None
        while target is None and time.monotonic() - begun < 60 and server.poll() in (None, 0):
            target = served(steps, env)
            time.sleep(0.05)
        m = {"ready_s": round(time.monotonic() - begun, 2)}
        if target:
            nbd, size = "mount_nbd" in steps, os.path.getsize(tool.volume(2))
            m["target"] = target
            m["rand4k"] = fio(target, nbd, "randread", "4k", 1, size)
            m["rand64k"] = fio(target, nbd, "randread", "64k", 2, size)
            m["seq1m"] = fio(target, nbd, "read", "1m", 3, size)
            if not nbd:
                m["loop_1500_files"] = read_files(target, env["WORK"] + "/loopmnt")
            m["server_rss_mib"] = peak_memory(server)
        else:
            m["error"] = "not ready"
            tool.failures.append("%s mount: not ready, see %s" % (tool.name, tool.log))
        stop(server, steps, env, lf)
    return m


def served(steps, env):
    """The address or path where the image can be read by now, or None."""
    if "mount_nbd" in steps:
        address = shell("echo -n " + json.dumps(steps["mount_nbd"]), env).stdout
        ready = shell("nbdinfo --size '%s'" % address, env).returncode == 0
        return address if ready else None
    pattern = re.sub(r"\$(\w+)", lambda v: env[v.group(1)], steps["mount_file"])
    found = [p for p in glob.glob(pattern) if os.path.isfile(p)]
    return max(found, default=None)


def fio(target, nbd, rw, block, seed, size):
    cmd = ["fio", "--name=x", "--rw=" + rw, "--bs=" + block, "--size=%d" % size, "--runtime=10", "--time_based",
           "--readonly", "--randseed=%d" % seed, "--output-format=json", "--thread"]
    cmd += ["--ioengine=nbd", "--uri=" + target] if nbd else ["--ioengine=psync", "--filename=" + target]
    r = subprocess.run(cmd, capture_output=True, text=True)
    try:
        read = json.loads(r.stdout[r.stdout.index("{"):])["jobs"][0]["read"]
        return {
            "iops": round(read["iops"]),
            "mb_s": round(read["bw_bytes"] / 1e6, 1),
            "lat_us": round(read["clat_ns"]["mean"] / 1e3, 1),
            "p99_us": round(read["clat_ns"].get("percentile", {}).get("99.000000", 0) / 1e3, 1),
        }
    except (ValueError, KeyError, IndexError) as e:
        return {"error": (r.stderr or r.stdout or str(e))[-300:]}


def read_files(image, mnt):
    """Loop-mounts the image and reads 1500 of the files in it."""
    os.makedirs(mnt, exist_ok=True)
    r = subprocess.run(["mount", "-o", "ro,loop,noload", image, mnt], capture_output=True, text=True)
    if r.returncode:
        return {"error": r.stderr.strip()}
    begun = time.monotonic()
    cmd = "find %s/sys -type f | sort | awk 'NR%%15==0' | head -1500 | xargs -d '\\n' cat | wc -c" % mnt
    r = subprocess.run(["timeout", "120", "bash", "-c", cmd], capture_output=True, text=True)
    wall = time.monotonic() - begun
    subprocess.run(["umount", mnt])
    return {"wall": round(wall, 2), "bytes": int(r.stdout or 0)}


def peak_memory(server):
    """MiB, or None for a server that has gone to the background."""
    if server.poll() is not None:
        return None
    with open("/proc/%d/status" % server.pid) as f:
        return round(int(re.search(r"VmHWM:\s+(\d+)", f.read()).group(1)) / 1024, 1)


def stop(server, steps, env, lf):
    if "umount" in steps:
        subprocess.run(["bash", "-c", steps["umount"]], env=env, stdout=lf, stderr=lf)
    elif "mount_nbd" not in steps:
        subprocess.run(["fusermount", "-u", env["MNT"]], stdout=lf, stderr=lf)
    try:
        server.wait(3)
    except subprocess.TimeoutExpired:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
    if os.path.ismount(env["MNT"]):
        subprocess.run(["umount", "-l", env["MNT"]])


def measure_floor(args):
    """The time to read each state of the volume from the page cache: nothing that reads it all is faster."""
    floor = {}
    for i in range(3):
        path, walls = os.path.join(args.data, "vol%d.img" % i), []
        with Lock():
            warm(path)
            for _ in range(5):
                begun = time.monotonic()
                warm(path)
                walls.append(round(time.monotonic() - begun, 3))
        floor["vol%d" % i] = walls
    with open(os.path.join(args.results, "cat.json"), "w") as f:
        json.dump({"floor": floor, "cpus": os.cpu_count(), "when": time.strftime("%F %T")}, f, indent=1)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("tool", nargs="+", help="TOML files")
    ap.add_argument("--reps", type=int, default=0, help="repetitions; default: the tool file's, else 3")
    ap.add_argument("--data", default=BENCH + "/data", help="the images of gen.py")
    ap.add_argument("--work", default=BENCH + "/work", help="scratch")
    ap.add_argument("--results", default=BENCH + "/results")
    ap.add_argument("--cold", type=int, default=1, help="fulls with an empty page cache, at the end")
    ap.add_argument("--repo-base", default="", help="put repository and restored image there, e.g. on a tmpfs")
    ap.add_argument("--no-mount", action="store_true")
    ap.add_argument("--keep", action="store_true", help="leave the last repository in the scratch directory")
    ap.add_argument("--no-warm-repo", dest="warm_repo", action="store_false",
                    help="do not read the repository before restoring")
    args = ap.parse_args()
    os.makedirs(args.results, exist_ok=True)
    measure_floor(args)
    failures = []
    for path in args.tool:
        tool = Tool(path, args)
        tool.run()
        failures += tool.failures
    for f in failures:
        print("FAILED  " + f, file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
