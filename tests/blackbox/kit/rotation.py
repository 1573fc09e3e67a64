"""Kills a daemon in the middle of rotations and of rewraps, under requests, and counts what went wrong.

A request fails if it is answered by anything but 200 with the right secret at the upstream, or is not answered although
nobody killed the daemon meanwhile. What a kill cut off is sent again.
"""
import http.client
import json
import random
import re
import threading
import time

from . import SECRET, until
from .http1 import Client, Ended, basic

SHORT = 0.06  # seconds: a rotation of this store takes longer


class Requests:
    """Threads that call api.test through the proxy without a pause."""

    def __init__(self, daemon, token, threads=2):
        self.daemon, self.token = daemon, token
        # Counted before each kill and again after each start: odd while nobody serves, and a request that began and ended
        # at one even number was not disturbed.
        self.kills = 0
        self.answered, self.failed = 0, []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def _head(self):
        return (f"GET http://api.test/ HTTP/1.1\r\nHost: api.test\r\nProxy-Authorization: {basic('-', self.token)}\r\n"
                "X-Connection-Id: api\r\n\r\n").encode()

    def _run(self):
        while not self._stop.is_set():
            try:
                with Client(self.daemon.proxy) as client:
                    self._talk(client)
            except OSError:
                time.sleep(0.005)  # nobody listens: it was killed

    def _talk(self, client):
        while not self._stop.is_set():
            before = self.kills
            try:
                client.send(self._head())
                response = client.response()
            except (Ended, OSError) as error:
                if before == self.kills and before % 2 == 0:
                    self.failed.append(repr(error))
                return
            if response.status == 200:
                self.answered += 1
            else:
                self.failed.append(f"{response.status} {response.code}")

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join(30)


class Ordeal:
    """One daemon whose vault is rotated, rewrapped and killed."""

    def __init__(self, world, connections, seed=0):
        self.daemon, self.upstream, self.random = world.daemon, world.upstream, random.Random(seed)
        self.token = world.token
        self.ids = [self.daemon.connect(alias=f"filler{n}", value={"token": f"secret {n}"})["id"]
                    for n in range(connections)]
        self.key_files = [self.daemon.key, self.daemon.key.with_name("second.key")]
        self.rotation_kills = self.rewrap_kills = self.resumed = self.slowest_start = 0
        self.keys_seen = {"old": 0, "new": 0}

    def keys(self):
        answer = self.daemon.api("GET", "/api/v1/keys")
        assert answer.status == 200, answer.body
        return answer.json()

    def run(self, kills):
        requests = Requests(self.daemon, self.token)
        try:
            while self.rotation_kills + self.rewrap_kills < kills:
                if (self.rotation_kills + self.rewrap_kills) % 5 == 4:
                    self.kill_in_a_rewrap(requests)
                else:
                    self.kill_in_a_rotation(requests)
            ended = until(lambda: (state := self.keys())["rotation"]["state"] == "DONE" and state, 120, "the last rotation")
        finally:
            requests.stop()
        assert [key["use"] for key in ended["dataKeys"]].count("seals") == 1, ended
        wrong = [r for r in self.upstream.requests if r.fields.get("authorization") != f"Bearer {SECRET}"]
        assert not wrong, wrong[0].raw
        found = self.daemon.verb("vault", "verify", "-o", "json")
        assert found.returncode == 0, found.stderr
        assert json.loads(found.stdout)["sound"]["credential"] == len(self.ids) + 1
        return requests

    def kill_in_a_rotation(self, requests):
        if self.keys()["rotation"]["state"] not in ("RESEALING", "VERIFYING"):
            begun = self.daemon.api("POST", "/api/v1/keys/rotate", {})
            assert begun.status == 202, begun.body
        wanted = self.keys()["rotation"]["keyId"]
        time.sleep(self.random.uniform(0, SHORT))
        inside = self.kill(requests)
        assert self.start(requests), "the vault did not open with its key"
        after = self.keys()["rotation"]
        assert after["keyId"] == wanted, (after, wanted)
        assert after["state"] in ("RESEALING", "VERIFYING", "DONE"), after
        if inside:
            self.rotation_kills += 1
            self.resumed += 1

    def kill_in_a_rewrap(self, requests):
        old, new = self.key_files
        answers = []
        body = {"key": {"file": str(new)}}

        def rewrap():
            try:
                answers.append(self.daemon.api("POST", "/api/v1/keys/rewrap", body).status)
            except (OSError, http.client.HTTPException):
                pass  # killed meanwhile

        caller = threading.Thread(target=rewrap)
        caller.start()
        time.sleep(self.random.uniform(0, 0.01))
        self.kill(requests)
        caller.join()
        self.rewrap_kills += 1
        if new.exists() and self.start(requests, new):
            self.keys_seen["new"] += 1
            self.key_files = [new, old]
        else:
            assert 200 not in answers, "a rewrap that was acknowledged is lost"
            assert self.start(requests, old), "the vault opens with neither key"
            self.keys_seen["old"] += 1
        self.key_files[1].unlink(missing_ok=True)
        self.resumed += 1

    def kill(self, requests):
        """True if the daemon had not said that its rotation was done."""
        requests.kills += 1
        self.daemon.process.kill()
        self.daemon.wait()
        return self.daemon.event("rotation_done") is None

    def start(self, requests, key=None):
        """False: the vault needs another key, and says so with exit code 78 and both ids."""
        if key is not None:
            settings = json.loads(self.daemon.config.read_text())
            settings["vault"]["key"]["file"] = str(key)
            self.daemon.config.write_text(json.dumps(settings))
        begun = time.monotonic()
        try:
            self.daemon.start()
        except AssertionError:
            said = self.daemon.log_file.read_text()
            assert self.daemon.process.returncode == 78, said
            cut = "holds a damaged or cut key" in said or "is empty" in said  # of a file that was being written
            assert cut or re.search(r"its id is [0-9a-f]{16}, the vault needs [0-9a-f]{16}", said), said
            return False
        self.slowest_start = max(self.slowest_start, time.monotonic() - begun)
        requests.kills += 1
        return True
