"""Certificates and protocols that must be refused, and that nothing is sent to such a service."""
import ssl

import pytest
from conftest import World, world_settings
from kit import row
from kit.pki import Authority
from kit.upstream import Upstream


@pytest.fixture(scope="module")
def faults(ca, tmp_path_factory, make_upstream, make_daemon, leaf):
    """A daemon that knows one faulty service a host, all with the right authority as trust."""
    other = Authority(tmp_path_factory.mktemp("other"), "Another CA")

    def with_context(change):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        change(context)
        return Upstream(*leaf, context=context)

    def only_tls_1_1(context):
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1

    def only_tls_1_2(context):
        context.maximum_version = ssl.TLSVersion.TLSv1_2

    servers = {
        "wrong.test": make_upstream(*ca.issue("other-name.test")),
        "expired.test": make_upstream(*ca.issue("expired.test", days=-1)),
        "self.test": make_upstream(*ca.self_signed("self.test")),
        "unknown.test": make_upstream(*other.issue("unknown.test")),
        "deep.wild.test": make_upstream(*ca.issue("*.test")),
        "old.test": with_context(only_tls_1_1),
        "api.test": make_upstream(),
        "other.test": with_context(only_tls_1_2),
    }
    settings = world_settings(servers["api.test"], ca, **{f"{host}:443": up for host, up in servers.items()})
    world = World(make_daemon(settings), servers["api.test"], ca)
    world.servers = servers
    for host in servers:
        world.daemon.connect(alias="to-" + host.replace(".", "-"), config={"hosts": [host]})
    world.all = world.daemon.token("*")
    yield world
    for host in ("old.test", "other.test"):
        servers[host].stop()


def call(world, host):
    return world.call(host=host, connection="to-" + host.replace(".", "-"), token=world.all)


@row("upstream-certificate")
@pytest.mark.parametrize("host", ["wrong.test", "expired.test", "self.test", "unknown.test", "deep.wild.test"])
def test_a_certificate_that_does_not_hold_is_502(faults, host):
    response = call(faults, host)
    assert (response.status, response.code) == (502, "upstream-certificate")
    assert response.fields.get("x-should-retry") == "false"
    assert not faults.servers[host].requests


@row("upstream-tls")
def test_tls_1_1_is_502(faults):
    response = call(faults, "old.test")
    assert (response.status, response.code) == (502, "upstream-tls")
    assert response.fields.get("x-should-retry") == "false"


@pytest.mark.parametrize("host", ["api.test", "other.test"])
def test_tls_1_3_and_1_2_are_fine(faults, host):
    assert call(faults, host).status == 200


@row("upstream-tls")
def test_a_service_that_speaks_no_tls_is_502(make_daemon, make_upstream, ca):
    import socket
    import threading

    with socket.create_server(("127.0.0.1", 0)) as plain:
        def serve():
            try:
                while True:
                    sock, _ = plain.accept()
                    sock.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
                    sock.close()
            except OSError:
                pass

        threading.Thread(target=serve, daemon=True).start()
        address = "127.0.0.1:%d" % plain.getsockname()[1]
        world = World(make_daemon(world_settings(address, ca)), None, ca)
        response = world.call()
        assert (response.status, response.code) == (502, "upstream-tls")


def test_only_http_1_1_is_offered(make_daemon, ca, leaf):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["h2", "http/1.1"])
    upstream = Upstream(*leaf, context=context)
    seen = []

    def note(exchange, _):
        seen.append(exchange.sock.selected_alpn_protocol())
        exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    upstream.answer = note
    world = World(make_daemon(world_settings(upstream, ca)), upstream, ca)
    assert world.call().status == 200
    assert seen == ["http/1.1"]
    upstream.stop()
