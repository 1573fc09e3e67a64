"""Real clients, each in every way it can be pointed at postern. Rows and reasons: kit/clients.py.

`plain` and `https` run under `postern exec`, as a user would; so do upload, stream and error. `base` gets a base URL and a token.
"""
import os
import random
import subprocess
import threading
from pathlib import Path

import pytest
from conftest import World
from kit import SECRET, clients, until
from kit.daemon import binary, clean_environment
from kit.services import FIRST, HOSTS, SECOND, Services

HERE = Path(__file__).parent
PAYLOAD = "".join(random.Random(1).choices("0123456789abcdef", k=300_000)).encode()
CELLS = [(row, column) for row in clients.runnable() for column in row.columns]
KNOWN = {
    "api": {"config": {"hosts": ["api.test"]}},
    "git": {"config": {"hosts": ["git.test"]}},
    "s3": {"config": {"hosts": ["s3.us-east-1.amazonaws.com"]}},
    "github": {"app": "github", "config": {}},
    "stripe": {"app": "stripe", "type": "API_KEY", "value": {"apiKey": "sk_" + SECRET}, "config": {}},
    "openai": {"app": "openai", "value": {"token": "sk-" + SECRET}, "config": {}},
    "slack": {"app": "slack", "value": {"token": "xoxb-" + SECRET}, "config": {}},
}
HOOK = f"""#!/bin/sh
while read -r old new ref; do
  case $ref in */stream) echo {FIRST}; while [ ! -e "$GIT_DIR/more" ]; do sleep 0.05; done; echo {SECOND};; esac
done
"""


def git(*arguments, cwd):
    environment = {"PATH": os.environ["PATH"], "HOME": str(cwd), "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "a",
                   "GIT_AUTHOR_EMAIL": "a@test", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@test"}
    return subprocess.run(["git", "-c", "init.defaultBranch=main", *arguments], cwd=cwd, env=environment, check=True, capture_output=True)


@pytest.fixture(scope="module")
def repositories(tmp_path_factory):
    folder = tmp_path_factory.mktemp("repositories")
    git("init", "-q", "work", cwd=folder)
    (folder / "work" / "hello").write_text("hello")
    git("add", ".", cwd=folder / "work")
    git("commit", "-qm", "hello", cwd=folder / "work")
    git("clone", "-q", "--bare", "work", "repo.git", cwd=folder)
    git("config", "http.receivepack", "true", cwd=folder / "repo.git")
    hook = folder / "repo.git" / "hooks" / "pre-receive"
    hook.write_text(HOOK)
    hook.chmod(0o755)
    return folder


class Matrix(World):
    """A daemon with a connection for each service, and one that is disabled beside it."""

    def __init__(self, daemon, services, ca, folder, programs):
        self.daemon, self.upstream, self.ca, self.programs = daemon, services, ca, programs
        daemon.init()
        daemon.start()
        self.payload = folder / "payload"
        self.payload.write_bytes(PAYLOAD)
        self.ids = {}
        for alias, members in KNOWN.items():
            self.ids[alias] = daemon.connect(name=alias, alias=alias, **members)["id"]
            off = daemon.connect(name=alias, alias="off-" + alias, **members)
            answer = daemon.api("PATCH", f"/api/v1/connections/{off['id']}", {"enabled": False})
            assert answer.status == 200, answer.body

    def environment(self, column):
        return {**clean_environment(self.daemon.home), "COLUMN": column, "CLIENTS": str(HERE / "clients"), "NODE": str(HERE / "node"),
                "NODE_PATH": str(clients.node_modules()), "PAYLOAD": str(self.payload), "BUILD": str(self.programs), "GIT_CONFIG_NOSYSTEM": "1",
                "GIT_TERMINAL_PROMPT": "0", "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@test", "GIT_COMMITTER_NAME": "a",
                "GIT_COMMITTER_EMAIL": "a@test"}

    def begin(self, row, column, folder):
        """The client's process. In base-URL mode it has no proxy; else it runs under exec."""
        command = ["sh", "-c", row.command(column)]
        environment = self.environment(column)
        if column == "base":
            environment |= {"BASE_URL": f"http://{self.daemon.proxy}/c/{row.connection}", "API_KEY": self.daemon.token(self.ids[row.connection])}
        else:
            alias = ("off-" if column == "error" else "") + row.connection
            command = [binary(), "--config", str(self.daemon.config), "exec", "-q", "-c", alias, "--", *command]
        return subprocess.Popen(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def call(self, row, column, folder):
        """Its exit code and everything that it has said."""
        with self.begin(row, column, folder) as process:
            out, err = process.communicate(timeout=120)
        return process.returncode, out, err


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    return tmp_path_factory.mktemp("programs")


@pytest.fixture(scope="module")
def make_matrix(make_daemon, ca, repositories, programs, tmp_path_factory):
    services = Services(*ca.issue(*HOSTS), repositories)
    made = []

    def make(settings):
        known = {"upstream": {"hosts": {f"{host}:443": {"resolve": services.address, "trust": str(ca.pem)} for host in HOSTS}}}
        made.append(Matrix(make_daemon({**known, **settings}), services, ca, tmp_path_factory.mktemp("clients"), programs))
        return made[-1]

    yield make
    for matrix in made:
        assert matrix.daemon.stop() == 0, matrix.daemon.log_file.read_text()[-4000:]
    services.stop()


@pytest.fixture(scope="module")
def _matrix(make_matrix):
    matrix = make_matrix({"intercept": {"hosts": HOSTS}})
    made = matrix.daemon.api("POST", "/api/v1/ca", {})
    assert made.status == 201, made.body
    return matrix


@pytest.fixture(scope="module")
def closed(make_matrix):
    """Where tunnels lead to one host alone, which is none of the services'."""
    return make_matrix({"egress": {"allow": ["elsewhere.test:443"]}})


@pytest.fixture
def matrix(_matrix):
    _matrix.upstream.reset()
    return _matrix


@pytest.fixture(scope="module")
def built(programs):
    """Builds a row's program once."""
    done = set()

    def build(row):
        if row.build and row.name not in done:
            environment = {**clean_environment(programs), "CLIENTS": str(HERE / "clients"), "BUILD": str(programs)}
            subprocess.run(["sh", "-c", row.build], env=environment, check=True, timeout=250)
            done.add(row.name)

    return build


def secret_arrived(matrix):
    """Every request carried the connection's secret, and nothing of what the caller held."""
    assert matrix.upstream.requests
    for request in matrix.upstream.requests:
        seen = request.fields.all("authorization")
        assert len(seen) == 1 and seen[0].startswith("Bearer ") and seen[0].endswith(SECRET), request.raw
        assert b"pst_" not in request.raw and b"proxy-" not in request.raw.lower()


def named(cell):
    return f"{cell[0].name}-{cell[1]}".replace(" ", "_").replace("/", "_")


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell[1] in ("plain", "https", "base")], ids=named)
def test_calls(matrix, built, cell, tmp_path):
    built(cell[0])
    code, out, err = matrix.call(*cell, tmp_path)
    assert (code, out.strip()) == (0, "hello"), out + err
    secret_arrived(matrix)


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell[1] == "upload"], ids=named)
def test_uploads(matrix, built, cell, repositories, tmp_path):
    built(cell[0])
    code, out, err = matrix.call(*cell, tmp_path)
    assert code == 0, out + err
    if cell[0].name == "git":
        assert git("show", "upload:payload", cwd=repositories / "repo.git").stdout == PAYLOAD
    else:
        assert PAYLOAD in matrix.upstream.uploaded()
    secret_arrived(matrix)


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell[1] == "stream"], ids=named)
def test_streams(matrix, built, cell, repositories, tmp_path):
    """The second part is sent when the client has printed the first."""
    built(cell[0])
    (repositories / "repo.git" / "more").unlink(missing_ok=True)
    with matrix.begin(*cell, tmp_path) as process:
        said, complaints = [], []
        readers = [threading.Thread(target=lambda stream=stream, into=into: into.extend(iter(lambda: os.read(stream.fileno(), 65536), b"")))
                   for stream, into in ((process.stdout, said), (process.stderr, complaints))]
        for reader in readers:
            reader.start()
        everything = lambda: b"".join(said).decode()  # noqa: E731
        until(lambda: FIRST in everything() or process.poll() is not None, 120, "the first part")
        early = everything()
        matrix.upstream.more.set()
        (repositories / "repo.git" / "more").touch()
        code = process.wait(120)
        for reader in readers:
            reader.join()
        assert FIRST in early and SECOND not in early, early + b"".join(complaints).decode()
        assert (code, SECOND in everything()) == (0, True), everything() + b"".join(complaints).decode()
    secret_arrived(matrix)


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell[1] == "error"], ids=named)
def test_shows_a_refusal(matrix, built, cell, tmp_path):
    """It fails, and what it prints has the code of the refusal in it; for a few no more than the status."""
    built(cell[0])
    code, out, err = matrix.call(*cell, tmp_path)
    assert code != 0, out + err
    assert cell[0].shows in out + err, out + err
    assert not matrix.upstream.requests
    assert "pst_" not in out + err


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell[1] == "refused"], ids=named)
def test_shows_that_a_tunnel_was_refused(closed, built, cell, tmp_path):
    """The same for https:// where postern opens no tunnel."""
    closed.upstream.reset()
    built(cell[0])
    code, out, err = closed.call(*cell, tmp_path)
    assert code != 0, out + err
    assert cell[0].shows_of_tunnel in out + err, out + err
    assert not closed.upstream.requests
    assert "pst_" not in out + err


def test_the_readme_has_this_table():
    assert clients.main("--check") == 0
