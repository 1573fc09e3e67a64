"""The real binary: its files, its process, its admin API."""
import ctypes
import http.client
import json
import os
import re
import resource
import signal
import subprocess

from . import until
from .contract import must_be_as_documented

TOKEN = re.compile(r"pst_[A-Za-z0-9_-]{20,}")


def binary():
    path = os.environ.get("POSTERN_BIN")
    assert path and os.access(path, os.X_OK), f"POSTERN_BIN must name the postern binary (is: {path!r})"
    return path


def merged(base, extra):
    """`base` with what `extra` says; None takes a key away."""
    result = dict(base)
    for key, value in extra.items():
        if value is None:
            result.pop(key, None)
            continue
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else value
    return result


def clean_environment(home):
    """Nothing inherited but where programs are and what a sanitizer wants to know."""
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "TMPDIR") or k.endswith("SAN_OPTIONS")}
    return {**kept, "HOME": str(home), "LANG": "C.UTF-8"}


def ends_with_us():
    """Runs in the child: the kernel ends it when the test program is gone, also by a time limit."""
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.fields = response.headers
        self.body = response.read()

    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        return self.json().get("code") if self.body else None


class Daemon:
    def __init__(self, folder, settings=None, *, text=None):
        self.folder = folder
        self.home = folder / "home"
        self.state = folder / "state"
        self.key = folder / "keys" / "master.key"
        self.config = folder / "postern.yaml"
        self.process = None
        self.admin_token = None
        self.starts = 0
        self.home.mkdir(parents=True, exist_ok=True)
        if text is None:
            text = json.dumps(merged({
                "listen": {"proxy": "127.0.0.1:0", "admin": "127.0.0.1:0"},
                "state": str(self.state),
                "vault": {"store": "rocksdb", "key": {"file": str(self.key)}},
            }, settings or {}), indent=1)
        self.config.write_text(text)

    # the command line
    def cli(self, *arguments, input=None, environment=None, timeout=60):
        return subprocess.run([binary(), *map(str, arguments)], input=input, text=True, capture_output=True,
                              cwd=self.folder, timeout=timeout,
                              env={**clean_environment(self.home), **(environment or {})})

    def verb(self, *arguments, **options):
        """A verb with this daemon's configuration."""
        return self.cli("--config", self.config, *arguments, **options)

    def init(self):
        result = self.verb("init")
        assert result.returncode == 0, result.stderr
        found = TOKEN.findall(result.stdout)
        assert len(found) == 1, f"init prints one admin token on standard output: {result.stdout!r}"
        self.admin_token = found[0]
        return self

    # the process
    def start(self, *flags, environment=None):
        self.starts += 1
        self.log_file = self.folder / f"run{self.starts}.log"
        with open(self.log_file, "wb") as log:
            self.process = subprocess.Popen(
                [binary(), "run", "--config", str(self.config), *flags], stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, cwd=self.folder, preexec_fn=ends_with_us, env={**clean_environment(self.home), **(environment or {})})
        ready = until(lambda: self.event("ready") or self.process.poll() is not None, 60, "the ready line")
        assert ready is not True, f"postern ended with {self.process.returncode}: {self.log_file.read_text()}"
        self.proxy, self.admin = ready["proxy"], ready["admin"]
        return self

    def log(self):
        lines = []
        for line in self.log_file.read_text(errors="replace").splitlines():
            try:
                lines.append(json.loads(line))
            except ValueError:
                pass
        return lines

    def event(self, name):
        return next((line for line in self.log() if line.get("event") == name), None)

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def wait(self, seconds=40):
        return self.process.wait(seconds)

    def stop(self):
        """Ends the process and answers its exit code."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.signal()
            try:
                self.wait()
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise AssertionError("postern did not end after SIGTERM") from None
        return self.process.returncode

    def running(self):
        return self.process.poll() is None

    def rss(self):
        """Resident memory in bytes."""
        text = open(f"/proc/{self.process.pid}/status").read()
        return int(re.search(r"VmRSS:\s+(\d+) kB", text)[1]) * 1024

    def limit_files(self, size=resource.RLIM_INFINITY):
        """No file of the daemon's may grow beyond `size` bytes: for it the disk is full. Without a size there is room again."""
        hard = resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE)[1]
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (size, hard))

    def kill(self):
        """kill -9, and the process is gone."""
        self.process.kill()
        self.process.wait()

    # the admin API
    def api(self, method, path, body=None, *, token=None, headers=None, health=False):
        """One call and its answer, which has to be as openapi.yaml says. `health`: `admin` is listen.health's address."""
        host, port = self.admin.rsplit(":", 1)
        connection = http.client.HTTPConnection(host, int(port), timeout=20)
        sent = {} if token is False else {"Authorization": f"Bearer {token or self.admin_token}"}
        data = None
        if body is not None:
            data = body if isinstance(body, (bytes, str)) else json.dumps(body)
            sent["Content-Type"] = "application/json"
        sent.update(headers or {})
        try:
            connection.request(method, path, data, sent)
            answer = Answer(connection.getresponse())
        finally:
            connection.close()
        must_be_as_documented(method, path, answer.status, answer.fields.items(), answer.body,
                              sent=data.encode() if isinstance(data, str) else data or b"", health=health)
        return answer

    @staticmethod
    def looks_right(method, target, message):
        """Of an answer that came to a client of its own (kit.http1): it is as documented."""
        must_be_as_documented(method, target, message.status, message.fields, message.body)

    def connect(self, **members):
        """A generic bearer connection to api.test unless told otherwise; the created object."""
        body = merged({"name": "Test", "app": "http", "type": "BEARER", "value": {"token": "upstream-secret"},
                       "config": {"hosts": ["api.test"]}}, members)
        for key in ("value", "config"):
            if key in members:
                body[key] = members[key]
        answer = self.api("POST", "/api/v1/connections", body)
        assert answer.status == 201, answer.body
        return answer.json()

    def authorize(self, *connections, **members):
        """The answer for a new caller token that may use these connections."""
        body = {"name": "step", "capabilities": ["proxy:call"], "connections": list(connections), **members}
        answer = self.api("POST", "/api/v1/authorizations", body)
        assert answer.status == 201, answer.body
        return answer.json()

    def token(self, *connections, **members):
        return self.authorize(*connections, **members)["token"]
