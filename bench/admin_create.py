#!/usr/bin/python3
"""Connections created through the admin API, with durable writes: how many a second, how many share a sync.

  bench/admin_create.py [COUNT] [--clients N] [--keys] [--folder DIR]      10000 by 16 keep-alive clients unless given

`--keys`: each call has an Idempotency-Key, kept in the same batch. The daemon is POSTERN_BIN, or build/release/postern.
The clients are processes of their own (forked): Python's lock would be what is measured. Prints creations a second,
latencies, and the CPU that the daemon took for one.
"""
import argparse
import http.client
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = os.environ.get("POSTERN_BIN", str(ROOT / "build/release/postern"))


def start(folder):
    config = folder / "postern.yaml"
    config.write_text(json.dumps({
        "listen": {"proxy": "127.0.0.1:0", "admin": "127.0.0.1:0"}, "state": str(folder / "state"),
        "vault": {"key": {"file": str(folder / "keys" / "master.key")}}}))
    token = subprocess.run([BINARY, "init", "--config", config, "-q"], check=True, capture_output=True,
                           text=True).stdout.split()[-1]
    log = open(folder / "log", "wb")
    daemon = subprocess.Popen([BINARY, "run", "--config", config], stdout=log, stderr=log)
    for _ in range(300):
        for line in (folder / "log").read_text().splitlines():
            ready = json.loads(line) if line.startswith("{") else {}
            if ready.get("event") == "ready":
                return daemon, ready["admin"], token
        if daemon.poll() is not None:
            break
        time.sleep(0.05)
    raise SystemExit("the daemon does not start: " + (folder / "log").read_text())


def client(number, address, token, count, keys, pipe):
    connection = http.client.HTTPConnection(address, timeout=60)
    times = []
    for i in range(count):
        body = json.dumps({"app": "stripe", "type": "API_KEY", "alias": f"c-{number}-{i}", "name": f"Customer {i}",
                           "value": {"apiKey": f"sk_test_{number}_{i}"}})
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        if keys:
            headers["Idempotency-Key"] = f"bench-{number}-{i}"
        begun = time.monotonic()
        connection.request("POST", "/api/v1/connections", body, headers)
        answer = connection.getresponse()
        data = answer.read()
        if answer.status != 201:
            raise SystemExit(f"{answer.status}: {data.decode()}")
        times.append(time.monotonic() - begun)
    os.write(pipe, (json.dumps(times) + "\n").encode())


def cpu_of(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run(count, clients, keys, folder):
    daemon, address, token = start(folder)
    try:
        cpu, begun, workers = cpu_of(daemon.pid), time.monotonic(), []
        for number in range(clients):
            reader, writer = os.pipe()
            pid = os.fork()
            if pid == 0:
                client(number, address, token, count // clients, keys, writer)
                os._exit(0)
            os.close(writer)
            workers.append((pid, reader))
        times = []
        for pid, reader in workers:
            with os.fdopen(reader) as lines:
                times += json.loads(lines.read())
            os.waitpid(pid, 0)
        took, cpu = time.monotonic() - begun, cpu_of(daemon.pid) - cpu
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(timeout=60)
    times.sort()
    made = len(times)
    print(f"{made} connections by {clients} clients{' with keys' if keys else ''} in {took:.1f} s: {made / took:.0f}/s; "
          f"median {times[made // 2] * 1e3:.1f} ms, 99 % {times[made * 99 // 100] * 1e3:.1f} ms; "
          f"CPU of the daemon {cpu / made * 1e3:.2f} ms each")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", nargs="?", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--keys", action="store_true")
    parser.add_argument("--folder", type=pathlib.Path, help="on the disk that is meant; default: the temporary folder's")
    arguments = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="postern-create-", dir=arguments.folder))
    try:
        run(arguments.count, arguments.clients, arguments.keys, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


main()
