"""The figures of the end-to-end table, side by side in one run: see `scripts/bench --help`."""
import argparse
import json
import random
import re
import signal
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

from world import BIG, IDS, SMALL, World, memory, private

NOISE = 0.15  # of a core, used by others during a cell: the cell is taken again, and dropped if it stays so


def arguments():
    p = argparse.ArgumentParser(prog="scripts/bench")
    p.add_argument("--programs", required=True, help=argparse.SUPPRESS)
    p.add_argument("--work", required=True, help=argparse.SUPPRESS)
    p.add_argument("--json", help="where the figures go as JSON (default: build/bench/results.json)")
    p.add_argument("--rows", default="small,interception,idle,start,bulk,pool,scale", help="which parts, by comma")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--seconds", type=float, default=1.0, help="of one cell")
    p.add_argument("--large", type=int, default=1_000_000, help="connections in the large vault of `scale`")
    p.add_argument("--zipf", type=float, default=1.2, help="exponent of the law by which `scale` draws connections")
    return p.parse_args()


class Run:
    def __init__(self, options, world):
        self.options, self.world = options, world
        self.cells, self.rows, self.dropped = [], [], 0

    def cell(self, contender, key, *load, warm=0.3):
        best = None
        for _ in range(3):
            cell = self.world.load(contender, *load, seconds=self.options.seconds, warm=warm)
            if best is None or cell["foreign"] < best["foreign"]:
                best = cell
            if best["foreign"] < NOISE:
                break
        best.update(contender=contender["name"], key=key)
        if best["bad"] or best["err"]:
            raise SystemExit(f"{contender['name']}: {best['bad']} wrong answers and {best['err']} errors in {key}")
        if best["foreign"] >= 2 * NOISE:
            self.dropped += 1
        else:
            self.cells.append(best)

    def median(self, name, key, what):
        values = [c[what] for c in self.cells if c["contender"] == name and c["key"] == key]
        return statistics.median(values) if values else None

    def row(self, what, value, unit, goal=None, note=""):
        """`goal`: at most this; a string is shown as it is."""
        met = None if goal is None or value is None else value <= goal
        self.rows.append({"what": what, "value": value, "unit": unit, "goal": goal, "met": met, "note": note})

    def ratio(self, what, key, measure, peer, goal):
        mine, other = self.median("postern", key, measure), self.median(peer, key, measure)
        if mine is None or other is None:
            self.row(what, None, f"of {peer}", goal, "too noisy")
        else:
            unit = "µs" if measure == "us_per_request" else "ms/MB"
            self.row(what, mine / other, f"of {peer}", goal, f"{mine:.2f} and {other:.2f} {unit}")

    def interleaved(self, contenders, cells):
        for contender in contenders:
            self.world.serve(contender)
            # Every connection is used once, and the pool is as large as it gets, before anything is measured.
            self.world.load(contender, "-c", 64, "-e", SMALL, seconds=0.5, warm=0.5)
        for _ in range(self.options.rounds):
            for key, load in cells:
                order = list(contenders)
                random.shuffle(order)
                for contender in order:
                    self.cell(contender, key, *load)
        for contender in contenders:
            self.world.stop(contender["process"])

    # --- the parts ---

    def small(self):
        w = self.world
        self.interleaved([w.postern("postern"), w.relay(), w.nginx(), w.haproxy()],
                         [("c64", ["-c", 64, "-e", SMALL]), ("c1", ["-c", 1, "-e", SMALL])])
        for peer, goal in (("relay", 1.30), ("nginx", 0.85), ("haproxy", 0.80)):
            self.ratio("CPU a small GET, 64 clients", "c64", "us_per_request", peer, goal)
        for peer, goal in (("relay", 1.30), ("nginx", None), ("haproxy", None)):
            self.ratio("CPU a small GET, 1 client", "c1", "us_per_request", peer, goal)

    def bulk(self):
        w = self.world
        down = ["-P", "/big", "-e", BIG, "-c", 1]
        up = ["-P", "/upload", "-m", "POST", "-b", BIG, "-c", 1]
        self.interleaved([w.postern("postern"), w.relay(), w.nginx(), w.haproxy()], [("down", down), ("up", up)])
        for key in ("down", "up"):
            for peer in ("nginx", "haproxy"):
                self.ratio(f"CPU a MB of 10 MiB bodies, {key}", key, "ms_per_mb", peer, 1.0)

    def interception(self):
        """A caller's kept-alive TLS against the same caller in clear, at one process."""
        contender = self.world.postern("intercepting", settings="intercept: {hosts: [upstream.test]}\n")
        process = self.world.serve(contender)
        pem = self.world.authority_of(contender)
        inside = ["-T", pem, "-C"]
        cells = [(f"{kind}{clients}", ["-c", clients, "-e", SMALL, *extra])
                 for clients in (64, 1) for kind, extra in (("plain", []), ("inside", inside))]
        for _, load in cells:
            self.world.load(contender, *load, seconds=0.5, warm=0.5)
        for _ in range(self.options.rounds):
            for key, load in random.sample(cells, len(cells)):
                self.cell(contender, key, *load)
        self.world.stop(process)
        for clients, goal in ((64, 1.6), (1, 1.6)):
            plain, tls = (self.median("intercepting", f"{kind}{clients}", "us_per_request") for kind in ("plain", "inside"))
            self.row(f"CPU an intercepted small GET, {clients} client{'s' if clients > 1 else ''}",
                     tls / plain if tls and plain else None, "of plain", goal,
                     f"{tls:.2f} and {plain:.2f} µs" if tls and plain else "too noisy")

    def idle(self):
        few, many = 256, 2000
        contender = self.world.postern("postern")
        process = self.world.serve(contender)
        seen, sockets = {}, []
        for number in range(many):
            s = socket.create_connection(("127.0.0.1", contender["port"]), 10)
            s.settimeout(10)
            sockets.append(s)
            self.world.ask(s, number % 1000, contender["header"])
            if number + 1 in (few, many):
                time.sleep(0.5)
                seen[number + 1] = memory(process.pid, "Rss")
        upstream = self.world.metrics(contender)["postern_open_upstream_connections"]
        for s in sockets:
            s.close()
        self.world.stop(process)
        self.row("memory an idle client connection", (seen[many] - seen[few]) / (many - few), "KiB", 4.0,
                 f"{few} to {many} clients, {upstream:.0f} upstream socket(s)")

    def start(self):
        contender = self.world.postern("postern")
        times = []
        for _ in range(max(5, self.options.rounds)):
            began = time.monotonic()
            process = self.world.start(contender["command"], "postern")
            while '"ready"' not in process.log.read_text():
                if process.poll() is not None:
                    raise SystemExit(process.log.read_text())
                time.sleep(0.0005)
            times.append(1e3 * (time.monotonic() - began))
            time.sleep(0.3)
            rss, own = memory(process.pid, "Rss"), private(process.pid)
            self.world.stop(process)
        floor = subprocess.Popen([str(self.world.programs / "empty_floor"), str(self.world.folder / "floor")],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        floor.stdout.readline()
        beneath = private(floor.pid)
        floor.stdin.close()
        floor.wait(10)
        self.row("start to ready", statistics.median(times), "ms", 60.0, f"{min(times):.0f} to {max(times):.0f}")
        self.row("RSS at start, 1,000 connections", rss / 1024, "MiB", 28.0)
        self.row("private memory beyond the empty program", (own - beneath) / 1024, "MiB", 8.0,
                 f"{own / 1024:.1f} and {beneath / 1024:.1f} MiB")

    def pool(self):
        for isolate, clients in (("organization", 64), ("connection", 1)):
            settings = f"  pool: {{isolate: {isolate}}}\n"
            contender = self.world.postern("postern", settings=settings)
            process = self.world.serve(contender)
            self.world.load(contender, "-c", clients, "-e", SMALL, "-q", 3 * IDS, seconds=60)  # each was used by then
            hit, miss = ('postern_upstream_pool_leases_total{result="%s"}' % r for r in ("hit", "miss"))
            before = self.world.metrics(contender)
            self.world.load(contender, "-c", clients, "-e", SMALL, seconds=2 * self.options.seconds)
            after = self.world.metrics(contender)
            self.world.stop(process)
            hits, misses = after[hit] - before[hit], after[miss] - before[miss]
            self.row(f"pool misses in a million, isolate: {isolate}", 1e6 * misses / max(hits + misses, 1), "", 1000,
                     f"{misses:.0f} of {hits + misses:.0f}, {clients} client(s), 1,000 connections")

    def scale(self):
        large = self.options.large
        settings = "  pool: {isolate: organization}\n"
        small, big = self.world.postern("postern", settings=settings), self.world.postern(f"large-{large}", large, settings)
        draws = [("zipf", ["-c", 64, "-e", SMALL, "-z", self.options.zipf])]
        for contender, count in ((small, 1000), (big, large)):
            began = time.monotonic()
            self.world.serve(contender)
            contender["open_ms"] = 1e3 * (time.monotonic() - began)
            contender["ids"] = count
            contender["rss"] = memory(contender["process"].pid, "Rss")
            for _ in range(4):  # into the steady state
                self.world.load(contender, "-c", 64, "-z", self.options.zipf, "-n", count, seconds=2)
        for _ in range(self.options.rounds):
            for key, load in draws:
                for contender in random.sample([small, big], 2):
                    self.cell(contender, key, *load, "-n", contender["ids"])
        hit, miss = ('postern_credential_cache_lookups_total{result="%s"}' % r for r in ("hit", "miss"))
        metrics = self.world.metrics(big)
        grown = memory(big["process"].pid, "Rss") - big["rss"]
        for contender in (small, big):
            self.world.stop(contender["process"])
        mine, base = (self.median(c["name"], "zipf", "us_per_request") for c in (big, small))
        note = f"Zipf {self.options.zipf}, cache hits {metrics[hit] / (metrics[hit] + metrics[miss]):.4f}"
        self.row(f"CPU a small GET, {large} connections stored", mine / base if mine and base else None, "of 1,000",
                 1.10, note + (f", {mine:.2f} and {base:.2f} µs" if mine and base else ""))
        self.row(f"start to first answer, {large} stored", big["open_ms"], "ms", 2000.0)
        self.row(f"memory after use, {large} stored", grown / 1024, "MiB", None, "beyond that at its start")


def shown(row):
    value = "–" if row["value"] is None else f"{row['value']:.3g}" if row["value"] < 100 else f"{row['value']:.0f}"
    goal = "" if row["goal"] is None else f"≤ {row['goal']:g}"
    mark = {None: "", True: "yes", False: "NO"}[row["met"]]
    return f"| {row['what']} | {value} {row['unit']} | {goal} | {mark} | {row['note']} |"


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started is stopped
    options = arguments()
    parts = options.rows.split(",")
    unknown = set(parts) - {"small", "interception", "idle", "start", "bulk", "pool", "scale"}
    if unknown:
        sys.exit(f"scripts/bench: no such row: {', '.join(sorted(unknown))}")
    with World(options.work, options.programs) as world:
        run = Run(options, world)
        print("| what | measured | goal | met | |\n|---|---|---|---|---|", flush=True)
        for part in parts:
            shown_before = len(run.rows)
            getattr(run, part)()
            for row in run.rows[shown_before:]:
                print(shown(row), flush=True)
            world_children = [c for c in world.children if c is not world.service]
            for child in world_children:
                world.stop(child)
    if run.dropped:
        print(f"\n{run.dropped} cells were dropped: others used more than {2 * NOISE:.0%} of a core.")
    result = Path(options.json or Path(options.work) / "results.json")
    result.write_text(json.dumps({"rows": run.rows, "cells": run.cells, "dropped": run.dropped}, indent=1))
    print(f"\nas JSON: {re.sub('.*/build/', 'build/', str(result))}")
    return 1 if any(row["met"] is False for row in run.rows) else 0


if __name__ == "__main__":
    sys.exit(main())
