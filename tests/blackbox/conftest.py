"""Fixtures of the black-box suite. See kit/ for what they are made of."""
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from kit.daemon import Daemon, merged  # noqa: E402
from kit.http1 import Client, basic  # noqa: E402
from kit.nginx import Nginx  # noqa: E402
from kit.oauth import OAuthWorld  # noqa: E402
from kit.pki import Authority  # noqa: E402
from kit.upstream import Upstream  # noqa: E402


@pytest.fixture(scope="session")
def ca(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="session")
def leaf(ca):
    """One certificate for every host that the tests call by a right name."""
    return ca.issue("api.test", "other.test", "third.test", "git.test", "token.test", "login.test", "*.wild.test",
                    "localhost", "127.0.0.1")


@pytest.fixture(scope="module")
def make_upstream(leaf):
    made = []

    def make(certificate=None, key=None, **options):
        made.append(Upstream(certificate or leaf[0], key or leaf[1], **options))
        return made[-1]

    yield make
    for upstream in made:
        upstream.stop()


@pytest.fixture(scope="module")
def make_nginx(leaf, tmp_path_factory):
    """nginx with these lines in its server block; its certificate is good for every host of `leaf`."""
    made = []

    def make(server):
        made.append(Nginx(tmp_path_factory.mktemp("nginx"), *leaf, server))
        return made[-1]

    yield make
    for nginx in made:
        nginx.stop()


@pytest.fixture(scope="module")
def make_daemon(tmp_path_factory):
    """A daemon of its own: made, not started. Ended after the module, whatever happened."""
    made = []

    def make(settings=None, **options):
        made.append(Daemon(tmp_path_factory.mktemp("postern"), settings, **options))
        return made[-1]

    yield make
    for daemon in made:
        if daemon.process is not None and daemon.process.poll() is None:
            daemon.process.kill()
            daemon.process.wait()


class World:
    """A started daemon with one connection, one caller token and the upstream api.test."""

    def __init__(self, daemon, upstream, ca):
        self.daemon, self.upstream, self.ca = daemon, upstream, ca
        daemon.init().start()
        self.connection = daemon.connect(alias="api")
        self.token = daemon.token(self.connection["id"])

    def head(self, method="GET", path="/", *, host="api.test", target=None, version="HTTP/1.1", connection="api",
             token=None, fields=(), body=None):
        """The bytes of a request. `token=False` or `connection=None` leave that out."""
        lines = [f"{method} {target or f'http://{host}{path}'} {version}"]
        lines.append(f"Host: {host}")
        if token is not False:
            lines.append(f"Proxy-Authorization: {basic('-', token or self.token)}")
        if connection is not None:
            lines.append(f"X-Connection-Id: {connection}")
        lines += list(fields)
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        data = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        return data + (body or b"")

    def client(self, **options):
        return Client(self.daemon.proxy, **options)

    def call(self, method="GET", path="/", **options):
        """One request on its own connection; the final response."""
        with self.client() as client:
            client.send_as_far_as_it_goes(self.head(method, path, **options))
            return client.response(method)

    def refused(self, data):
        """Sends raw bytes; the answer, and whether the connection was closed after it."""
        with self.client() as client:
            client.send_as_far_as_it_goes(data)
            response = client.response()
            return response, client.is_closed()


def world_settings(upstream, ca, **hosts):
    known = {"api.test:443": upstream, **hosts}
    return {"upstream": {"hosts": {name: {"resolve": getattr(where, "address", where), "trust": str(ca.pem)}
                                   for name, where in known.items()}}}


@pytest.fixture(scope="module")
def _world(request, make_daemon, make_upstream, ca):
    upstream = make_upstream()
    settings = world_settings(upstream, ca)
    extra = getattr(request.module, "SETTINGS", {})
    world = World(make_daemon(merged(settings, extra)), upstream, ca)
    yield world
    assert world.daemon.stop() == 0, world.daemon.log_file.read_text()[-4000:]


@pytest.fixture
def world(_world):
    """The module's world with the upstream's memory wiped. A module's SETTINGS are merged into its configuration."""
    _world.upstream.reset()
    return _world


@pytest.fixture
def make_oauth(tmp_path_factory, leaf, ca):
    """A provider and a started daemon that knows it (kit/oauth.py); all of it is gone after the test."""
    made = []

    def make(**options):
        made.append(OAuthWorld(tmp_path_factory.mktemp("oauth"), leaf, ca, **options))
        return made[-1]

    yield make
    for world in made:
        world.end()


@pytest.fixture
def oauth(make_oauth):
    return make_oauth()


def pytest_configure(config):
    config.addinivalue_line("markers", "row(name): the row of DESIGN section 5 or 9 that this test produces")
