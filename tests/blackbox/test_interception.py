"""Interception: TLS in a tunnel to an opted-in host ends here, and what is inside goes the way of every other request."""
import json
import os
import shutil
import socket
import ssl
import subprocess
from pathlib import Path

import pytest
import requests
from conftest import World, world_settings
from kit import SECRET, row, until
from kit.daemon import merged
from kit.http1 import Client, Ended, Reader, basic

MANY = 1_300  # more names than leaves are kept
HANDSHAKES = 'postern_client_tls_handshakes_total{result="%s"}'


@pytest.fixture(scope="module")
def _opened(make_daemon, make_upstream, ca, tmp_path_factory):
    upstream = make_upstream()
    settings = world_settings(upstream, ca, **{"api.test:8443": upstream, "*.wild.test:443": upstream,
                                               "other.test:443": upstream})
    world = World(make_daemon(merged(settings, {
        "intercept": {"hosts": ["api.test", "api.test:8443", "*.wild.test", "127.8.8.8", "unused.test"]},
        "egress": {"allow": ["other.test:443"]}})), upstream, ca)
    for number in range(0, MANY, 100):
        world.daemon.connect(alias=f"wild{number}", config={"hosts": wild_names(number, number + 100)})
    world.daemon.connect(alias="odd", config={"hosts": ["api.test:8443"]})
    world.everything = world.daemon.token("*")
    result = world.daemon.verb("ca", "create", "--names", "api.test,*.wild.test,127.8.8.8,unused.test")
    assert result.returncode == 0, result.stderr
    world.authority = tmp_path_factory.mktemp("authority") / "ca.pem"
    world.authority.write_text(world.daemon.verb("ca", "export").stdout)
    yield world
    assert world.daemon.stop() == 0, world.daemon.log_file.read_text()[-4000:]


@pytest.fixture
def world(_opened):
    _opened.upstream.reset()
    return _opened


def wild_names(begin, end):
    return [f"n{number}.wild.test" for number in range(begin, end)]


def trusting(pem):
    return ssl.create_default_context(cafile=str(pem))


def connect_head(world, target, *, connection="api", token=None):
    return (f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n"
            f"Proxy-Authorization: {basic(connection, token or world.token)}\r\n\r\n").encode()


class Tunnel:
    """A tunnel with TLS in it. Raises what the handshake raises."""

    def __init__(self, world, target="api.test:443", *, name=..., context=None, **who):
        self.outer = Client(world.daemon.proxy)
        self.outer.send(connect_head(world, target, **who))
        self.opened = self.outer.response("CONNECT")
        self.sock = None
        if self.opened.status != 200:
            return
        name = target.rpartition(":")[0] if name is ... else name
        context = context or trusting(world.authority)
        try:
            self.sock = context.wrap_socket(self.outer.sock, server_hostname=name, suppress_ragged_eofs=False)
        except Exception:
            self.outer.close()
            raise
        self.reader = Reader(self.sock)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        (self.sock or self.outer).close()

    def ask(self, method="GET", target="/", host="api.test", fields=(), body=b""):
        lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *fields]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        self.sock.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        return self.reader.body(self.reader.head(), method=method)


def blind():
    """Believes everybody, so that only the other side can object."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def count(world, name):
    text = world.daemon.api("GET", "/metrics").body.decode()
    return next((float(line.split()[-1]) for line in text.splitlines() if line.startswith(name + " ")), 0.0)


# --- the clients
def test_curl(world):
    result = subprocess.run(
        ["curl", "-sS", "--proxy", f"http://api:{world.token}@{world.daemon.proxy}", "--cacert", str(world.authority),
         "https://api.test/from/curl?x=1"], capture_output=True, text=True, timeout=60, env={"PATH": os.environ["PATH"]})
    assert result.returncode == 0, result.stderr
    assert result.stdout == "hello"
    seen = world.upstream.last()
    assert seen.target == "/from/curl?x=1"
    assert seen.fields.all("authorization") == [f"Bearer {SECRET}"]
    assert not seen.fields.all("proxy-authorization") and not seen.fields.all("x-connection-id")


def test_requests(world):
    proxy = f"http://-:{world.token}@{world.daemon.proxy}"
    with requests.Session() as session:
        session.trust_env = False
        answer = session.post("https://api.test/from/requests", data=b"body", proxies={"https": proxy},
                              headers={"X-Connection-Id": "api"}, verify=str(world.authority), timeout=30)
    assert (answer.status_code, answer.text) == (200, "hello")
    seen = world.upstream.last()
    assert seen.body == b"body" and seen.fields.all("authorization") == [f"Bearer {SECRET}"]


def test_node(world):
    modules = os.environ.get("POSTERN_NODE_MODULES", "")
    assert os.path.isdir(modules), "POSTERN_NODE_MODULES must name the installed modules; scripts/test does it"
    result = subprocess.run(
        ["node", str(Path(__file__).parent / "node" / "calls.js"), "undici_intercepted", world.daemon.proxy, "api", world.token],
        capture_output=True, text=True, timeout=60,
        env={"PATH": os.environ["PATH"], "NODE_PATH": modules, "NODE_EXTRA_CA_CERTS": str(world.authority)})
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == {"status": 200, "body": "hello"}
    assert world.upstream.last().fields.all("authorization") == [f"Bearer {SECRET}"]


@pytest.mark.skipif(shutil.which("wget") is None, reason="wget is not installed")
def test_wget(world):
    result = subprocess.run(
        ["wget", "-qO-", "--ca-certificate", str(world.authority), "https://api.test/from/wget"], capture_output=True,
        text=True, timeout=60,
        env={"PATH": os.environ["PATH"], "https_proxy": f"http://api:{world.token}@{world.daemon.proxy}"})
    assert (result.returncode, result.stdout) == (0, "hello"), result.stderr
    assert world.upstream.last().fields.all("authorization") == [f"Bearer {SECRET}"]


# --- what happens inside
def test_a_hundred_requests_are_one_handshake(world):
    before = count(world, HANDSHAKES % "ok")
    with Tunnel(world) as tunnel:
        for number in range(100):
            assert tunnel.ask(target=f"/{number}").body == b"hello"
    assert [r.target for r in world.upstream.requests] == [f"/{number}" for number in range(100)]
    assert count(world, HANDSHAKES % "ok") == before + 1
    assert world.upstream.handshakes <= 1  # none: one of before is used on


def test_what_the_caller_says_inside_of_itself_does_not_leave(world):
    with Tunnel(world) as tunnel:
        tunnel.ask(fields=["Authorization: Bearer mine", "Proxy-Authorization: Basic eDp5", "Cookie: a=b"])
    seen = world.upstream.last()
    assert seen.fields.all("authorization") == [f"Bearer {SECRET}"]
    assert not seen.fields.all("proxy-authorization") and not seen.fields.all("cookie")


def test_a_request_inside_may_name_the_connection(world):
    with Tunnel(world, connection="-") as tunnel:
        assert tunnel.ask(fields=["X-Connection-Id: api"]).status == 200
    assert world.upstream.last().fields.all("authorization") == [f"Bearer {SECRET}"]


def test_a_large_body_each_way(world):
    def echo(exchange, request):
        exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(request.body) + request.body)

    world.upstream.answer = echo
    body = bytes(range(256)) * 4096 * 3
    with Tunnel(world) as tunnel:
        answer = tunnel.ask("POST", "/echo", body=body)
    assert answer.complete and answer.body == body


def test_the_client_hello_may_come_with_the_connect(world):
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = trusting(world.authority).wrap_bio(incoming, outgoing, server_hostname="api.test")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    with Client(world.daemon.proxy) as client:
        client.send(connect_head(world, "api.test:443") + outgoing.read())
        assert client.response("CONNECT").status == 200
        incoming.write(client.reader.buffer)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                incoming.write(client.sock.recv(65536))
        tls.write(b"GET /early HTTP/1.1\r\nHost: api.test\r\n\r\n")
        client.send(outgoing.read())
        assert client.sock.recv(65536)
    assert world.upstream.last().target == "/early"


def test_another_port_is_intercepted_when_it_is_opted_in(world):
    with Tunnel(world, "api.test:8443", connection="odd", token=world.everything) as tunnel:
        assert tunnel.ask(host="api.test:8443").status == 200
    assert world.upstream.last().fields.get("host") == "api.test:8443"


def test_a_cut_answer_is_no_clean_end(world):
    def cut(exchange, request):
        exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        exchange.cut()

    world.upstream.answer = cut
    with Tunnel(world) as tunnel:
        answer = tunnel.ask()
        assert not answer.complete and "closed" not in answer.ended


def test_a_revoked_caller_is_refused_inside(world):
    made = world.daemon.authorize(world.connection["id"])
    with Tunnel(world, token=made["token"]) as tunnel:
        assert tunnel.ask().status == 200
        assert world.daemon.api("DELETE", f"/api/v1/authorizations/{made['id']}").status == 204
        try:
            assert tunnel.ask().status in (403, 407)
        except (Ended, OSError):
            pass
    assert len(world.upstream.requests) == 1


# --- what is refused
@row("malformed-request")
@pytest.mark.parametrize("host", ["other.test", "n1.wild.test", "api.test:8443", "api.test.evil.test", ""])
def test_a_host_inside_that_is_not_the_tunnels(world, host):
    with Tunnel(world) as tunnel:
        answer = tunnel.ask(host=host)
    assert (answer.status, answer.code) == (400, "malformed-request")
    assert not world.upstream.requests


@row("malformed-request")
def test_an_absolute_target_inside_that_is_not_the_tunnels(world):
    with Tunnel(world) as tunnel:
        answer = tunnel.ask(target="https://other.test/")
    assert (answer.status, answer.code) == (400, "malformed-request")
    assert not world.upstream.requests


@pytest.mark.parametrize("name", ["other.test", "n1.wild.test", "xapi.test", None])
def test_a_server_name_that_is_not_the_tunnels(world, name):
    before = count(world, HANDSHAKES % "failed")
    with pytest.raises(ssl.SSLError, match="(?i)unrecognized.name"):
        Tunnel(world, name=name, context=blind())
    assert count(world, HANDSHAKES % "failed") == before + 1
    assert not world.upstream.accepted


def test_only_http_2(world):
    context = blind()
    context.set_alpn_protocols(["h2"])
    with pytest.raises(ssl.SSLError, match="(?i)no.application.protocol"):
        Tunnel(world, context=context)


def test_http_1_1_is_chosen_where_both_are_offered(world):
    context = trusting(world.authority)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with Tunnel(world, context=context) as tunnel:
        assert tunnel.sock.selected_alpn_protocol() == "http/1.1"


def test_whoever_does_not_trust_our_authority_is_counted(world):
    before = count(world, HANDSHAKES % "untrusted")
    with pytest.raises(ssl.SSLCertVerificationError):
        Tunnel(world, context=ssl.create_default_context())
    until(lambda: count(world, HANDSHAKES % "untrusted") == before + 1, what="the refusal in the metrics")
    assert not world.upstream.accepted


def test_something_else_than_tls_on_443(world):
    with Client(world.daemon.proxy) as client:
        client.send(connect_head(world, "api.test:443"))
        assert client.response("CONNECT").status == 200
        client.send(b"GET / HTTP/1.1\r\nHost: api.test\r\n\r\n")
        with pytest.raises(Ended):
            while True:
                client.reader._more()
    assert not world.upstream.accepted


# --- what is never intercepted
def test_a_host_that_is_not_opted_in_is_passed_through_as_it_is(world, ca):
    before = count(world, HANDSHAKES % "ok")
    with Tunnel(world, "other.test:443", connection="-", context=trusting(ca.pem)) as tunnel:
        assert tunnel.ask(host="other.test").status == 200
    assert not world.upstream.last().fields.all("authorization")
    assert count(world, HANDSHAKES % "ok") == before
    with pytest.raises(ssl.SSLCertVerificationError):
        Tunnel(world, "other.test:443", connection="-")


@row("tunnel-not-supported")
@pytest.mark.parametrize("target", ["third.test:443", "x.api.test:443"])
def test_a_host_that_is_neither_opted_in_nor_in_egress(world, target):
    with Tunnel(world, target, connection="-") as tunnel:
        assert (tunnel.opened.status, tunnel.opened.code) == (403, "tunnel-not-supported")
    assert not world.upstream.accepted


@row("tunnel-not-supported")
def test_an_opted_in_host_that_no_connection_of_the_caller_leads_to(world):
    with Tunnel(world, "unused.test:443", connection="-") as tunnel:
        assert (tunnel.opened.status, tunnel.opened.code) == (403, "tunnel-not-supported")
        assert "connection" in tunnel.opened.json()["detail"]
    with Tunnel(world, connection="-", token=world.daemon.token()) as tunnel:  # a caller without any
        assert (tunnel.opened.status, tunnel.opened.code) == (403, "tunnel-not-supported")


@row("destination-address-prohibited")
def test_a_private_address_is_refused_before_the_200(world):
    made = world.daemon.api("POST", "/api/v1/connections", {
        "name": "x", "app": "http", "type": "BEARER", "value": {"token": "t"}, "config": {"hosts": ["127.8.8.8"]}})
    assert made.status == 201, made.body
    with Tunnel(world, "127.8.8.8:443", connection=made.json()["id"], token=world.everything) as tunnel:
        assert (tunnel.opened.status, tunnel.opened.code) == (403, "destination-address-prohibited")


def test_more_names_than_leaves_are_kept_do_not_grow_the_memory(world):
    context = trusting(world.authority)

    def handshakes(names):
        for name in names:
            with Tunnel(world, f"{name}:443", context=context, connection="-", token=world.everything) as tunnel:
                assert tunnel.sock.version() == "TLSv1.3"

    handshakes(wild_names(0, 1_050))
    full = world.daemon.rss()
    handshakes(wild_names(1_050, MANY))
    handshakes(wild_names(0, 50))
    assert world.daemon.rss() - full < 6 * 2**20


# --- without an authority, and with another
def test_without_an_authority_the_refusal_says_how_to_make_one(make_daemon, make_upstream, ca):
    upstream = make_upstream()
    daemon = make_daemon(merged(world_settings(upstream, ca), {"intercept": {"hosts": ["api.test"]}}))
    world = World(daemon, upstream, ca)
    with Tunnel(world) as tunnel:
        assert (tunnel.opened.status, tunnel.opened.code) == (403, "tunnel-not-supported")
        assert "postern ca create" in tunnel.opened.json()["detail"]
    explained = daemon.api("POST", "/api/v1/explain", {"method": "CONNECT", "url": "api.test:443"}).json()
    assert explained["code"] == "tunnel-not-supported" and "postern ca create" in json.dumps(explained)
    assert "postern ca create" in daemon.verb("exec", "-c", "api", "--", "true").stderr

    assert daemon.verb("ca", "create", "--names", "other.test").returncode == 0
    explained = daemon.api("POST", "/api/v1/explain", {"method": "CONNECT", "url": "api.test:443"}).json()
    assert explained["code"] == "tunnel-not-supported" and "postern ca rotate" in json.dumps(explained)
    with Tunnel(world) as tunnel:  # there is one, which may not speak for this host
        assert (tunnel.opened.status, tunnel.opened.code) == (403, "tunnel-not-supported")
        assert "postern ca rotate" in tunnel.opened.json()["detail"]
    assert not upstream.accepted
    assert daemon.stop() == 0


def test_after_a_rotation_only_the_new_authority_is_seen(world, tmp_path):
    with Tunnel(world) as kept:
        assert kept.ask().status == 200
        assert world.daemon.verb("ca", "rotate").returncode == 0
        assert kept.ask().status == 200, "a tunnel that is open goes on"
    with pytest.raises(ssl.SSLCertVerificationError):
        Tunnel(world)
    world.authority.write_text(world.daemon.verb("ca", "export").stdout)
    with Tunnel(world) as tunnel:
        assert tunnel.ask().status == 200
