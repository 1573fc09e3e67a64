"""Instructions of the hot path: the real binary under callgrind, one kept-alive client, small GETs.

Compared with bench/baseline.json: a warning at 3 %, a failure at 10 %. Another compiler, C library or OpenSSL than the
baseline's counts other instructions: then nothing fails, and the difference is shown.
"""
import argparse
import glob
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from world import SMALL, World

WARN, FAIL = 1.03, 1.10
REQUESTS = 1500


def versions(binary):
    def first(*command):
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError:
            return ""
        return (done.stdout or done.stderr).splitlines()[0] if (done.stdout or done.stderr) else ""

    compiler = ""
    found = re.search(rb"clang version [0-9.]+", Path(binary).read_bytes())
    if found:
        compiler = found.group().decode()
    return {"compiler": compiler, "libc": first("ldd", "--version"), "openssl": first("openssl", "version"),
            "machine": first("uname", "-m")}


def send(world, contender, count):
    command = [world.programs / "bench_load", "-p", contender["port"], "-c", 1, "-d", 100, "-w", 0, "-n", 100, "-e", SMALL,
               "-q", count, "-x", contender["header"]]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=110, check=True)
    cell = json.loads(done.stdout)
    if cell["bad"] or cell["err"]:
        raise SystemExit(f"wrong answers under callgrind: {cell}")
    return cell["req"]


def rest(process):
    """Until the first uses that the audit hears of a second later are written, and nothing else is left to do."""
    def cpu():
        return sum(int(task.read_text().split()[0]) for task in Path(f"/proc/{process.pid}/task").glob("*/schedstat"))

    for _ in range(20):
        before = cpu()
        time.sleep(1.5)
        if cpu() - before < 20_000_000:
            return


def count(world):
    contender = world.postern("counted", 100)
    out = world.folder / "run/callgrind.out"
    for old in glob.glob(f"{out}*"):
        Path(old).unlink()
    # Both cores, whichever is free: only instructions count.
    world.pinned = False
    process = world.start(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "--instr-atstart=no",
                           *contender["command"]], "callgrind")
    world.wait_port(contender["port"], 90)
    send(world, contender, 300)
    rest(process)

    def control(*what):
        subprocess.run(["callgrind_control", *what, str(process.pid)], check=True, capture_output=True, timeout=60)

    control("-i", "on")
    done = send(world, contender, REQUESTS)
    control("-i", "off")
    control("-d")
    world.stop(process)
    totals, allocations = [], 0
    for file in glob.glob(f"{out}*"):
        total, calls = read_counts(file)
        totals.append(total)
        allocations += calls
    if not sum(totals):
        raise SystemExit("callgrind counted nothing; see the logs of the run")
    return sum(totals) / done, allocations / done


ALLOCATES = re.compile(r"^(malloc|calloc|realloc|posix_memalign|aligned_alloc)(@|$)")


def read_counts(file):
    """Instructions, and calls of the allocator, in one of callgrind's files (its names are written once, then numbers)."""
    total, allocations, names, called = 0, 0, {}, ""
    for line in open(file, encoding="utf-8", errors="replace"):
        if line.startswith("cfn="):
            number, _, name = line[4:].strip().partition(" ")
            called = names.setdefault(number, name)
        elif line.startswith("fn="):
            number, _, name = line[3:].strip().partition(" ")
            names.setdefault(number, name)
        elif line.startswith("calls=") and ALLOCATES.match(called):
            allocations += int(line[6:].split()[0])
        elif line.startswith("totals:"):
            total = int(line.split()[1])
    return total, allocations


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started is stopped
    p = argparse.ArgumentParser(prog="scripts/bench --callgrind")
    p.add_argument("--programs", required=True)
    p.add_argument("--work", required=True)
    p.add_argument("--baseline", required=True)
    p.add_argument("--update", action="store_true", help="make what is measured the baseline")
    options = p.parse_args()
    began = time.monotonic()
    with World(options.work, options.programs) as world:
        instructions, allocations = count(world)
        measured = {"instructions_per_request": round(instructions), "versions": versions(world.programs / "postern")}
    print(f"{measured['instructions_per_request']} instructions and {allocations:.2f} allocations a kept-alive small GET "
          f"({time.monotonic() - began:.0f} s)")
    baseline = Path(options.baseline)
    if options.update:
        baseline.write_text(json.dumps(measured, indent=1) + "\n")
        return 0
    old = json.loads(baseline.read_text())
    ratio = measured["instructions_per_request"] / old["instructions_per_request"]
    print(f"{ratio:.3f} of the baseline's {old['instructions_per_request']}")
    other = [key for key, value in old["versions"].items() if measured["versions"].get(key) != value]
    if ratio > FAIL and not other:
        print(f"FAIL: more than {FAIL - 1:.0%} above bench/baseline.json; if that has to be, scripts/bench --callgrind --update")
        return 1
    if ratio > WARN:
        why = f"made with another {', '.join(other)}" if other else "look at what was added"
        print(f"WARNING: {ratio - 1:.1%} above bench/baseline.json ({why})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
