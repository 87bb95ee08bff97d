#!/usr/bin/env python3
"""gen.py - deterministic VM-disk-like workload for block backup benchmarks.

Makes, under DIR (default $VARVE_BENCH/data; VARVE_BENCH is /var/tmp/varve-bench unless set):
  vol0.img  SIZE MiB raw image: real ext4, mounted through a loop device and filled
  vol1.img  the same image "a day later"  (~1 % of the image's blocks rewritten)
  vol2.img  another day later, image and filesystem grown by 256 MiB
  vol.json  sha256 of the three, used/zero/changed block statistics

usage (root): gen.py [--dir DIR] [--seed N] [--size MiB] [--synthetic]

Content of vol0 (MiB at the default 4096; scaled with --size):
  sys/    1180  real files of /usr and /var/lib, picked in the order sha1(seed, path);
                with --synthetic: seeded pseudo-files instead (no dependence on the host's files)
  dup/     140  second copies of files under sys/
  media/   512  one file, incompressible (random.Random(seed))
  log/     200  text logs (syslog- and access-log-like lines)
  db/      192  database-like file of 16 KiB pages, rows of half-compressible records, 15 % zero pages
  pre/      32  a file of written zeros (allocated, all zero)
  (gone)    64  incompressible file, written and deleted again: stale non-zero free blocks
The rest stays holes.  A day's changes (pages/files chosen by random.Random(seed+day)):
  db/      about 700 random 16 KiB pages rewritten in place (scattered 4-MiB chunks)
  sys/     files of together 7 MiB rewritten to new blocks (write + rename: a package upgrade)
  log/     3 files appended to (together 6 MiB), one rotated
  media/   one new 3 MiB file, 30 x 16 KiB overwritten in place in the 512-MiB file
  sys/     files of together 8 MiB deleted; mtime of 1200 files touched (inode table writes)
Same seed + same source files => the same file contents and the same choices.  The images
are not bit-identical between two runs (ext4 stores wall-clock ctimes, inode generations);
vol.json records what this run made.  Page cache state is the runner's business.
"""
import argparse
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import time

MIB = 2**20


def sh(*a):
    r = subprocess.run(a, capture_output=True, text=True)
    if r.returncode:
        sys.exit("gen.py: %s: exit code %d: %s" % (" ".join(a), r.returncode, r.stderr.strip()))


WORDS = ("connection accepted from server request timeout session opened closed for user root "
         "started service failed unit kernel eth0 link up down packet dropped in out GET POST /index.html "
         "/api/v1/items /static/app.js HTTP/1.1 200 304 404 500 Mozilla/5.0 X11 Linux x86_64 "
         "sshd systemd cron nginx postgres worker checkpoint complete wrote buffers disk cache").split()


def log_text(rng, nbytes, t0):
    out, n, t = [], 0, t0
    while n < nbytes:
        t += rng.randrange(0, 5)
        if rng.random() < 0.5:
            line = "%s vm%02d %s[%d]: %s %d\n" % (
                time.strftime("%b %d %H:%M:%S", time.gmtime(t)), 7, rng.choice(WORDS), rng.randrange(300, 33000),
                " ".join(rng.choices(WORDS, k=rng.randrange(4, 12))), rng.getrandbits(24))
        else:
            line = '10.%d.%d.%d - - [%s +0000] "GET /%s/%d HTTP/1.1" %d %d "-" "Mozilla/5.0 (X11; Linux x86_64)"\n' % (
                rng.randrange(4), rng.randrange(256), rng.randrange(256),
                time.strftime("%d/%b/%Y:%H:%M:%S", time.gmtime(t)), rng.choice(WORDS).strip("/"),
                rng.getrandbits(17), rng.choice((200, 200, 200, 304, 404, 500)), rng.getrandbits(15))
        out.append(line)
        n += len(line)
    return "".join(out).encode()[:nbytes]


PAGE = 16384


def db_page(rng, no):
    if rng.random() < 0.15:
        return bytes(PAGE)
    p = bytearray(b"DBPG" + no.to_bytes(4, "little") + rng.randbytes(8))
    while len(p) < PAGE - 512:  # rows: key, text, some noise
        p += no.to_bytes(4, "big") + rng.getrandbits(32).to_bytes(4, "big")
        p += " ".join(rng.choices(WORDS, k=6)).encode()
        p += rng.randbytes(40) + bytes(24)
    return bytes(p[:PAGE]).ljust(PAGE, b"\0")


def write_random(path, rng, nbytes):
    with open(path, "wb") as f:
        while nbytes > 0:
            n = min(nbytes, 4 * MIB)
            f.write(rng.randbytes(n))
            nbytes -= n


def rounded(size):
    """What a file takes on disk."""
    return -(-size // 4096) * 4096


def pick_sources(seed, budget):
    """Files of this host, of together no more than budget bytes."""
    found = []
    for top in ("/usr", "/var/lib"):
        dev = os.lstat(top).st_dev
        for d, dirs, files in os.walk(top):
            dirs[:] = sorted(x for x in dirs if os.lstat(os.path.join(d, x)).st_dev == dev)
            if d.startswith("/var/lib/apt/lists"):
                continue
            for f in files:
                p = os.path.join(d, f)
                st = os.lstat(p)
                if not os.path.islink(p) and os.path.isfile(p) and 0 < st.st_size <= 64 * MIB:
                    found.append((hashlib.sha1(b"%d %s" % (seed, os.fsencode(p))).digest(), p, st.st_size))
    for _, p, size in sorted(found):
        need = rounded(size) + 256
        if need <= budget:
            budget -= need
            yield p
        if budget < 65536:
            return


def synthetic_file(rng, size):
    kind = rng.random()
    if kind < 0.4:
        return log_text(rng, size, 1700000000)
    if kind < 0.6:
        return rng.randbytes(size)
    base = [rng.randbytes(rng.randrange(4, 24)) for _ in range(200)]
    out, n = [], 0
    while n < size:
        x = rng.choice(base) if rng.random() < 0.8 else rng.randbytes(8)
        out.append(x)
        n += len(x)
    return b"".join(out)[:size]


def files_below(path):
    return sorted(os.path.join(d, f) for d, _, files in os.walk(path) for f in files)


class Mounted:
    def __init__(self, img, mnt):
        self.img, self.mnt = img, mnt

    def __enter__(self):
        os.makedirs(self.mnt, exist_ok=True)
        sh("mount", "-o", "loop,noatime,noinit_itable", self.img, self.mnt)
        return self.mnt

    def __exit__(self, *_):
        sh("sync", "-f", self.mnt)
        sh("umount", self.mnt)


def make_volume(img, mnt, a):
    """The first state of the volume. Returns the number of files under sys/."""
    seed, scale = a.seed, a.size / 4096
    scaled = lambda mib: int(mib * scale) * MIB
    with open(img, "wb") as f:
        f.truncate(a.size * MIB)
    sh("mkfs.ext4", "-q", "-F", "-b", "4096", "-m", "1", "-U", "11111111-2222-3333-4444-%012d" % seed,
       "-E", "hash_seed=aaaaaaaa-bbbb-cccc-dddd-%012d,lazy_itable_init=1,nodiscard,resize=%d"
       % (seed, a.size * MIB // 4096 * 4), img)
    with Mounted(img, mnt) as m:
        for d in ("sys", "dup", "media", "log", "db", "pre"):
            os.mkdir(m + "/" + d)
        rng = random.Random(seed)
        write_random(m + "/gone", rng, scaled(64))
        n = fill_synthetic(m, rng, scaled(1180)) if a.synthetic else fill_real(m, seed, scaled(1180))
        copy_some(m, random.Random(seed + 1000), scaled(140))
        write_random(m + "/media/random.bin", rng, scaled(512))
        for i in range(8):
            with open("%s/log/log.%d" % (m, i), "wb") as f:
                f.write(log_text(rng, scaled(25), 1700000000 + i * 86400))
        with open(m + "/db/data.db", "wb") as f:
            for no in range(scaled(192) // PAGE):
                f.write(db_page(rng, no))
        with open(m + "/pre/zeros", "wb") as f:
            for _ in range(max(1, scaled(32) // MIB)):
                f.write(bytes(MIB))
        sh("sync", "-f", m)
        os.unlink(m + "/gone")
    return n


def fill_real(m, seed, budget):
    n = 0
    for p in pick_sources(seed, budget):
        target = m + "/sys" + p
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copyfile(p, target)
        os.utime(target, (1700000000, 1700000000))
        n += 1
    return n


def fill_synthetic(m, rng, left):
    n = 0
    while left > 0:
        size = min(left, int(rng.lognormvariate(9.2, 1.9)) + 1)
        d = "%s/sys/%02x" % (m, n % 251)
        os.makedirs(d, exist_ok=True)
        with open("%s/f%06d" % (d, n), "wb") as f:
            f.write(synthetic_file(rng, size))
        left -= rounded(size)
        n += 1
    return n


def copy_some(m, rng, left):
    """Second copies, of large files and of every third small one."""
    files = files_below(m + "/sys")
    for i, p in enumerate(rng.sample(files, len(files))):
        size = os.path.getsize(p)
        if size <= left and (size > MIB or size <= 65536 and i % 3 == 0):
            d = "%s/dup/%02x" % (m, i % 64)
            os.makedirs(d, exist_ok=True)
            shutil.copyfile(p, "%s/%06d" % (d, i))
            left -= rounded(size)


def live_a_day(img, mnt, a, no, grow=0):
    """Turns the image into its state on day no, grown by so many MiB first."""
    scale, rng = a.size / 4096, random.Random(a.seed + no)
    if grow:
        with open(img, "r+b") as f:
            f.truncate(os.path.getsize(img) + grow * MIB)
        sh("e2fsck", "-fp", img)
        sh("resize2fs", img)
    with Mounted(img, mnt) as m:
        files = files_below(m + "/sys")
        change_database(m, rng, no, int(700 * scale))
        pick = rng.sample(files, len(files))
        upgrade(pick, rng, int(7 * scale * MIB))
        delete(reversed(pick), int(8 * scale * MIB))
        for i in (1, 3, 5):
            with open("%s/log/log.%d" % (m, i), "ab") as f:
                f.write(log_text(rng, int(2 * scale * MIB), 1701000000 + no * 86400))
        os.rename(m + "/log/log.7", "%s/log/log.7.%d" % (m, no))
        with open(m + "/log/log.7", "wb") as f:
            f.write(log_text(rng, MIB, 1701000000 + no * 86400))
        write_random("%s/media/new.%d" % (m, no), rng, int(3 * scale * MIB))
        with open(m + "/media/random.bin", "r+b") as f:
            size = os.path.getsize(m + "/media/random.bin")
            for _ in range(30):
                f.seek(rng.randrange(size // 16384) * 16384)
                f.write(rng.randbytes(16384))
        for p in pick[len(pick) // 3: len(pick) // 3 + int(1200 * scale)]:
            if os.path.exists(p):
                os.utime(p, (1701000000 + no, 1701000000 + no))


def change_database(m, rng, no, count):
    with open(m + "/db/data.db", "r+b") as f:
        pages = os.path.getsize(m + "/db/data.db") // PAGE
        for _ in range(count):
            p = rng.randrange(pages)
            f.seek(p * PAGE)
            f.write(db_page(rng, p + no * 1000003))


def upgrade(files, rng, left):
    """As a package manager does it: changed contents in new blocks, renamed over the old."""
    for p in files:
        if left <= 0:
            return
        size = os.path.getsize(p)
        if size > 2 * MIB:
            continue
        with open(p, "rb") as f:
            data = bytearray(f.read())
        for _ in range(1 + size // 2000):
            data[rng.randrange(size)] = rng.randrange(256)
        with open(p + ".new", "wb") as f:
            f.write(data)
        os.rename(p + ".new", p)
        left -= rounded(size)


def delete(files, left):
    for p in files:
        if left <= 0:
            return
        size = os.path.getsize(p)
        if size <= 4 * MIB:
            os.unlink(p)
            left -= size


def count_blocks(path, before=None):
    """What is zero in an image, and what differs from the state before it, in blocks of several sizes."""
    sizes = (4096, 64 * 1024, MIB, 4 * MIB)
    zero, changed = dict.fromkeys(sizes, 0), dict.fromkeys(sizes, 0)
    digest, size, zeros = hashlib.sha256(), os.path.getsize(path), bytes(4 * MIB)
    old = open(before, "rb") if before else None
    with open(path, "rb") as f:
        while data := f.read(4 * MIB):
            digest.update(data)
            was = old.read(4 * MIB).ljust(len(data), b"\0") if old else data
            for n in sizes:
                blocks = -(-len(data) // n)
                if data == zeros[:len(data)]:
                    zero[n] += blocks
                else:
                    zero[n] += sum(data[i:i + n] == zeros[:len(data[i:i + n])] for i in range(0, len(data), n))
                if data != was:
                    changed[n] += sum(data[i:i + n] != was[i:i + n] for i in range(0, len(data), n))
    r = {"bytes": size, "allocated": os.stat(path).st_blocks * 512, "sha256": digest.hexdigest()}
    for n in sizes:
        r["blocks_%dk" % (n >> 10)] = -(-size // n)
        r["zero_%dk" % (n >> 10)] = zero[n]
        if old:
            r["changed_%dk" % (n >> 10)] = changed[n]
    if old:
        old.close()
    return r


def main():
    bench = os.environ.get("VARVE_BENCH", "/var/tmp/varve-bench")
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--dir", default=os.path.join(bench, "data"))
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--size", type=int, default=4096, help="MiB")
    ap.add_argument("--synthetic", action="store_true")
    a = ap.parse_args()
    os.makedirs(a.dir, exist_ok=True)
    v = [os.path.join(a.dir, "vol%d.img" % i) for i in range(3)]
    mnt = os.path.join(a.dir, "mnt")
    n = make_volume(v[0], mnt, a)
    sh("cp", "--sparse=auto", v[0], v[1])
    live_a_day(v[1], mnt, a, 1)
    sh("cp", "--sparse=auto", v[1], v[2])
    live_a_day(v[2], mnt, a, 2, grow=256)
    os.rmdir(mnt)
    r = {
        "seed": a.seed, "size_mib": a.size, "synthetic": a.synthetic, "files": n,
        "vol0": count_blocks(v[0]), "vol1": count_blocks(v[1], v[0]), "vol2": count_blocks(v[2], v[1]),
    }
    with open(os.path.join(a.dir, "vol.json"), "w") as f:
        json.dump(r, f, indent=1)
    json.dump(r, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
