"""The admin API under a large vault: every form of its lists, page by page, and creations by several clients at once.

100,000 connections in 1,000 organizations are dealt out by fill_vault; what is asked goes through the API, over kept-alive
connections on 127.0.0.1, with a token of the organization that is asked about. Times are the client's, from the first
byte sent to the last byte read, so they hold what a client would wait for; beside them stands what the daemon used of a
processor for each request, which a busy machine changes little.
"""
import argparse
import itertools
import json
import random
import socket
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

from world import free_port, memory

PAGE_MS, CREATIONS = 20.0, 500.0  # the goals: a page at the 99th percentile, creations a second

ORDERS = ["", "sortBy=created", "sortBy=created&sortOrder=asc", "sortBy=updated", "sortBy=updated&sortOrder=asc",
          "sortBy=name", "sortBy=name&sortOrder=desc"]
FORMS = {
    "connections": [*ORDERS, "provider=http", "provider=http&sortBy=created", "provider=http&sortBy=name",
                    "status=ACTIVE", "status=ERROR", "status=ACTIVE&sortBy=updated", "search=9", "search=nosuch",
                    "search=9&sortBy=name", "showDisabled=false", "endUser=nobody", "tag=nosuch", "limit=100",
                    "limit=100&sortBy=name"],
    "authorizations": [*ORDERS, "status=ACTIVE", "search=bench"],
    "providers": ["", "search=a", "sortBy=name&sortOrder=desc", "limit=100"],
}


def arguments():
    p = argparse.ArgumentParser(prog="scripts/bench --admin")
    p.add_argument("--programs", required=True, help=argparse.SUPPRESS)
    p.add_argument("--work", required=True, help=argparse.SUPPRESS)
    p.add_argument("--connections", type=int, default=100_000)
    p.add_argument("--organizations", type=int, default=1_000, help="0: all in the default one")
    p.add_argument("--pages", type=int, default=200, help="of each form of a list")
    p.add_argument("--create", type=int, default=10_000)
    p.add_argument("--clients", type=int, default=32, help="at once, of the creations")
    p.add_argument("--json", help="where the figures go as JSON (default: build/bench/admin.json)")
    return p.parse_args()


class Api:
    """One kept-alive connection of one client."""

    def __init__(self, port, token):
        self.socket = socket.create_connection(("127.0.0.1", port), 60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.head = f" HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
        self.rest, self.asked = b"", 0

    def ask(self, method, target, body=None):
        self.asked += 1
        text = f"{method} {target}{self.head}"
        if body is not None:
            text += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        self.socket.sendall((text + "\r\n" + (body or "")).encode())
        while b"\r\n\r\n" not in self.rest:
            self._more()
        head, _, self.rest = self.rest.partition(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        while len(self.rest) < length:
            self._more()
        answer, self.rest = self.rest[:length], self.rest[length:]
        return int(head[9:12]), answer

    def _more(self):
        part = self.socket.recv(1 << 20)
        if not part:
            raise OSError("closed in the middle of an answer")
        self.rest += part

    def close(self):
        self.socket.close()


class Postern:
    """A daemon with a vault that is filled once and kept."""

    def __init__(self, options):
        self.programs = Path(options.programs)
        self.home = Path(options.work) / f"admin-{options.connections}-{options.organizations}"
        self.home.mkdir(parents=True, exist_ok=True)
        self.port, self.health = free_port(), free_port()
        config = self.home / "postern.yaml"
        config.write_text(f"""\
listen: {{proxy: "127.0.0.1:{free_port()}", admin: "127.0.0.1:{self.port}", health: "127.0.0.1:{self.health}"}}
state: ./state
vault: {{key: {{file: ./key/master.key}}}}
""")
        self.command = [str(self.programs / "postern"), "--config", str(config)]
        tokens = self.home / "tokens"
        if not tokens.exists():
            subprocess.run(["rm", "-rf", self.home / "state", self.home / "key"], check=True)
            subprocess.run([*self.command, "init"], check=True, capture_output=True)
            filled = subprocess.run([self.programs / "fill_vault", self.home / "state", self.home / "key/master.key",
                                     "upstream.test", str(options.connections), "0", str(options.organizations)],
                                    check=True, capture_output=True, text=True)
            tokens.write_text(filled.stdout)
        self.tokens = tokens.read_text().split()

    def __enter__(self):
        with open(self.home / "run.log", "w", encoding="utf-8") as log:
            self.process = subprocess.Popen([*self.command, "run"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        end = time.monotonic() + 60
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.health), 5) as s:
                    s.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                    if b" 200 " in s.recv(4096):
                        return self
            except OSError:
                pass
            if time.monotonic() > end or self.process.poll() is not None:
                raise SystemExit(f"postern is not ready; see {self.home}/run.log")
            time.sleep(0.01)

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(60)

    def rss(self):
        return memory(self.process.pid, "Rss") / 1024

    def cpu(self):
        """Milliseconds of processor that it has used, over its threads."""
        tasks = Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e6


def timed(api, target):
    began = time.perf_counter()
    status, answer = api.ask("GET", target)
    took = (time.perf_counter() - began) * 1e3
    if status != 200:
        raise SystemExit(f"{target}: {status} {answer[:300]!r}")
    return took, json.loads(answer)


def pages_of(api, kind, form, place):
    """The time of one page: the first, one in the middle (by cursor, page or offset), or the last."""
    target = f"/api/v1/{kind}" + (f"?{form}" if form else "")
    with_more = target + ("&" if form else "?")
    took, page = timed(api, target)
    if place == "first" or not page["hasMore"]:
        return took
    if place == "page":
        return timed(api, with_more + "page=3")[0]
    if place == "offset":
        return timed(api, with_more + "offset=37")[0]
    for step in itertools.count():
        took, page = timed(api, with_more + f"cursor={page['cursor']}")
        if not page["hasMore"] or (place == "middle" and step == 3):
            return took


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def measure_lists(postern, options):
    rows, resident = [], []
    dice = random.Random(7)
    for kind, forms in FORMS.items():
        for form in forms:
            times, asked, before = [], 0, postern.cpu()
            for place in itertools.islice(itertools.cycle(("first", "middle", "last", "page", "offset")), options.pages):
                api = Api(postern.port, dice.choice(postern.tokens))
                times.append(pages_of(api, kind, form, place))
                asked += api.asked
                api.close()
            rows.append({"list": kind, "form": form, "p50": statistics.median(times), "p99": percentile(times, 0.99),
                         "max": max(times), "cpu": (postern.cpu() - before) / asked})
            resident.append(postern.rss())
    return rows, resident


def measure_creations(postern, options):
    """So many creations by so many clients at once, each durable when it is answered; how many a second."""
    numbers, wrong, each = itertools.count(), [], []
    tag = time.monotonic_ns()

    def client(token):
        api = Api(postern.port, token)
        while (number := next(numbers)) < options.create and not wrong:
            body = json.dumps({"name": f"Made {number}", "app": "http", "type": "BEARER", "alias": f"m{tag}-{number}",
                               "value": {"token": f"sk-live-{number:032}"}, "config": {"hosts": ["upstream.test"]}})
            began = time.perf_counter()
            status, answer = api.ask("POST", "/api/v1/connections", body)
            each.append((time.perf_counter() - began) * 1e3)
            if status != 201:
                wrong.append((status, answer[:300]))
        api.close()

    clients = [threading.Thread(target=client, args=(postern.tokens[n % len(postern.tokens)],))
               for n in range(options.clients)]
    began, cpu = time.monotonic(), postern.cpu()
    for one in clients:
        one.start()
    for one in clients:
        one.join()
    seconds, cpu = time.monotonic() - began, postern.cpu() - cpu
    if wrong:
        raise SystemExit(f"a creation was refused: {wrong[0]}")
    return {"creations": len(each), "clients": options.clients, "a_second": len(each) / seconds,
            "p50": statistics.median(each), "p99": percentile(each, 0.99), "cpu": cpu / len(each)}


def main():
    options = arguments()
    with Postern(options) as postern:
        print(f"{options.connections} connections in {options.organizations or 1} organizations; {options.pages} pages of each form")
        rows, resident = measure_lists(postern, options)
        for row in rows:
            print(f"  {row['list']:<15} {row['form'] or '-':<34} p50 {row['p50']:7.2f} ms   p99 {row['p99']:7.2f} ms"
                  f"   cpu {row['cpu']:6.2f} ms   {'' if row['p99'] <= PAGE_MS else 'over ' + str(PAGE_MS)}")
        resident += measure_lists(postern, options)[1]
        growth = resident[-1] - resident[len(rows) - 1]
        print(f"  resident: {resident[0]:.1f} MiB after the first form, {resident[len(rows) - 1]:.1f} after the last, "
              f"{growth:+.1f} with all of them once more")
        made = measure_creations(postern, options) if options.create else None
        if made:
            print(f"  {made['creations']} creations by {made['clients']} clients: {made['a_second']:.0f} a second, "
                  f"p50 {made['p50']:.1f} ms, p99 {made['p99']:.1f} ms, "
                  f"cpu {made['cpu']:.2f} ms each")
    file = Path(options.json or Path(options.work) / "admin.json")
    file.write_text(json.dumps({"lists": rows, "resident": resident, "creations": made}, indent=1))
    slow = [row for row in rows if row["p99"] > PAGE_MS]
    missed = bool(slow) or growth > 2 or (made and made["a_second"] < CREATIONS)
    print("a goal is not met" if missed else "every goal is met")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
