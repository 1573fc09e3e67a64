"""Time and size limits."""
import socket
import time

import pytest
from conftest import World, world_settings
from kit import row
from kit.http1 import Client
from kit.upstream import answer

LIMITS = {
    "client": {"head": "300ms", "idle": "600ms"},
    "limits": {"body": 1000},
    "upstream": {"timeouts": {"head": "400ms", "connect": "300ms", "tls": "300ms", "stream_idle": "400ms"}},
}
SETTINGS = LIMITS


@row("request-timeout", "wire:head-deadline")
def test_a_head_that_does_not_come_to_an_end_is_408(world):
    with world.client() as client:
        client.send("GET http://api.test/ HTTP/1.1\r\nHost: api")
        response = client.response()
        assert (response.status, response.code) == (408, "request-timeout")
        assert response.fields.get("x-should-retry") == "true"
        assert client.is_closed()


@row("wire:head-deadline")
def test_the_deadline_is_absolute(world):
    """A byte now and then does not move it."""
    began = time.monotonic()
    with world.client(timeout=0.05) as client:
        client.send("GET http://api.test/ HTTP/1.1\r\n")
        data = b""
        while time.monotonic() - began < 5:
            try:
                client.send("X")
                data = client.sock.recv(1000)
                break
            except socket.timeout:
                continue
            except OSError:
                break
    assert time.monotonic() - began < 3
    assert data.startswith(b"HTTP/1.1 408") or not data


@row("wire:head-deadline")
def test_an_idle_connection_is_closed_without_a_word(world):
    with world.client() as client:
        assert client.ending() == "closed"
    with world.client() as client:
        client.send(world.head())
        assert client.response().status == 200
        assert client.ending() == "closed"


@row("body-too-large", "wire:limits")
def test_a_body_over_the_limit_is_413(world):
    with world.client() as client:
        client.send_as_far_as_it_goes(world.head("POST", body=b"x" * 1001))
        response = client.response()
        assert (response.status, response.code) == (413, "body-too-large")
        assert client.is_closed()
    assert not world.upstream.requests


@row("body-too-large")
def test_a_chunked_body_over_the_limit_never_becomes_a_whole_request(world):
    with world.client() as client:
        client.send_as_far_as_it_goes(world.head("POST", fields=["Transfer-Encoding: chunked"]) +
                                      b"3e9\r\n" + b"x" * 1001 + b"\r\n0\r\n\r\n")
        try:
            assert client.response().status == 413
        except Exception as error:  # noqa: BLE001
            assert type(error).__name__ == "Ended"
    assert not any(r.complete for r in world.upstream.requests)


def test_a_body_at_the_limit_passes(world):
    assert world.call("POST", body=b"x" * 1000).status == 200


@row("upstream-timeout")
def test_no_answer_in_time_is_504(world):
    world.upstream.answer = lambda exchange, _: exchange.wait_until_peer_leaves()
    response = world.call()
    assert (response.status, response.code) == (504, "upstream-timeout")


@row("cut-in-mid-body")
def test_a_stream_that_stalls_is_aborted(world):
    def stalls(exchange, _):
        exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        exchange.wait_until_peer_leaves()

    world.upstream.answer = stalls
    response = world.call()
    assert response.body == b"hello" and not response.complete


@row("upstream-connect-timeout")
def test_a_service_that_does_not_accept_is_504(make_daemon, ca):
    with socket.socket() as full:  # a listener whose queue is full answers no SYN
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        waiting = []
        for _ in range(4):
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(address)
            waiting.append(sock)
        daemon = make_daemon({"upstream": {**world_settings("127.0.0.1:%d" % address[1], ca)["upstream"],
                                           **LIMITS["upstream"]}})
        world = World(daemon, None, ca)
        response = world.call()
        assert (response.status, response.code) == (504, "upstream-connect-timeout")
        for sock in waiting:
            sock.close()


@row("upstream-connect-timeout")
def test_a_service_that_never_answers_the_handshake_is_a_fault(make_daemon, ca):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings = world_settings("127.0.0.1:%d" % silent.getsockname()[1], ca)
        settings["upstream"].update(LIMITS["upstream"])
        response = World(make_daemon(settings), None, ca).call()
        assert (response.status, response.code) in ((504, "upstream-connect-timeout"), (502, "upstream-tls"))


@row("overloaded")
def test_more_clients_than_allowed_are_503(make_daemon, make_upstream, ca):
    upstream = make_upstream()
    world = World(make_daemon({**world_settings(upstream, ca), "client": {"max": 4}}), upstream, ca)
    clients = [world.client() for _ in range(4)]
    for client in clients:
        client.send(world.head())
        assert client.response().status == 200
    with world.client() as client:
        client.send_as_far_as_it_goes(world.head())
        response = client.response()
        assert (response.status, response.code) == (503, "overloaded")
        assert "retry-after" in response.fields and response.fields.get("x-should-retry") == "true"
    clients[0].close()
    for client in clients[1:]:
        client.send(world.head())
        assert client.response().status == 200


@row("body-too-large")
def test_a_body_that_must_be_held_has_its_own_limit(make_daemon, make_upstream, ca):
    upstream = make_upstream()
    world = World(make_daemon({**world_settings(upstream, ca), "limits": {"body_buffer": "64KiB"}}), upstream, ca)
    made = world.daemon.connect(alias="form", type="API_KEY", value={"apiKey": "k"},
                                config={"hosts": ["api.test"], "inject": [{"form": "auth", "value": "${apiKey}"}]})
    who = {"connection": "form", "token": world.daemon.token(made["id"]),
           "fields": ["Content-Type: application/x-www-form-urlencoded"]}
    assert world.call("POST", body=b"a=" + b"x" * 60_000, **who).status == 200
    upstream.reset()
    response = world.call("POST", body=b"a=" + b"x" * 70_000, **who)
    assert response.status == 413 and response.code in ("body-too-large", "body-too-large-to-sign")
    assert not upstream.requests


def test_a_large_answer_waits_for_a_slow_reader(world):
    """Back-pressure: what nobody reads is not collected here."""
    world.upstream.answer = answer(b"x" * 64_000_000)
    before = world.daemon.rss()
    with Client(world.daemon.proxy) as client:
        client.send(world.head())
        client.head()
        assert world.daemon.rss() - before < 32 * 1024 * 1024


@pytest.mark.parametrize("setting", ["client: {head: 0s}", "limits: {body_buffer: -1}", "workers: 0"])
def test_impossible_limits_are_refused(make_daemon, setting):
    assert make_daemon(text=setting + "\n").verb("config", "validate").returncode == 78
