"""More work than there is room for: refused at once with a time to come back, before memory grows."""
import resource
import socket
import threading

import pytest
from conftest import World, merged, world_settings
from kit import row, until
from kit.http1 import Client
from kit.upstream import answer


@pytest.fixture
def limited(make_daemon, make_upstream, ca):
    def make(**settings):
        upstream = make_upstream()
        return World(make_daemon(merged(world_settings(upstream, ca), settings)), upstream, ca)

    return make


def held(world):
    """Makes the upstream keep its answers; the event that lets them go."""
    release = threading.Event()

    def wait(exchange, _):
        release.wait(60)
        exchange.send(answer(b"late"))

    world.upstream.answer = wait
    return release


def is_shed(response):
    return (response.status, response.code) == (503, "overloaded") and response.fields.get("retry-after") == "1"


@row("overloaded")
def test_more_requests_than_limits_requests_are_503_and_the_others_are_served(limited):
    world = limited(limits={"requests": 2})
    release = held(world)
    clients = [world.client(timeout=60) for _ in range(2)]
    for client in clients:
        client.send(world.head())
    world.upstream.wait_for(2)
    refused = world.call()
    assert is_shed(refused) and refused.fields.get("x-should-retry") == "true"
    release.set()
    assert [client.response().status for client in clients] == [200, 200]
    assert world.call().status == 200
    assert "postern_requests_shed_total 1" in world.daemon.api("GET", "/metrics").body.decode()


@row("rate-limited")
def test_one_token_cannot_take_every_turn(limited):
    world = limited(limits={"caller_requests": 1})
    other = world.daemon.token("*")
    release = held(world)
    with world.client(timeout=60) as first, world.client(timeout=60) as second:
        first.send(world.head())
        world.upstream.wait_for(1)
        refused = world.call()
        assert (refused.status, refused.code) == (429, "rate-limited")
        assert refused.fields.get("retry-after") == "1"
        assert refused.fields.get("x-should-retry") == "true"
        second.send(world.head(token=other))
        world.upstream.wait_for(2)
        release.set()
        assert (first.response().status, second.response().status) == (200, 200)
    assert world.call().status == 200


def test_the_turns_of_a_token_are_counted_over_all_workers(limited):
    world = limited(limits={"caller_requests": 2}, workers=3)
    release = held(world)
    clients = [world.client(timeout=60) for _ in range(2)]
    for client in clients:
        client.send(world.head())
    world.upstream.wait_for(2)
    for _ in range(3):  # whichever worker it lands on
        assert world.call().code == "rate-limited"
    release.set()
    assert all(client.response().status == 200 for client in clients)


def test_a_request_that_was_cut_gives_its_turn_back(limited):
    world = limited(limits={"caller_requests": 1, "requests": 1})
    release = held(world)
    client = world.client(timeout=60)
    client.send(world.head())
    world.upstream.wait_for(1)
    client.close()
    release.set()
    until(lambda: world.call().status == 200, 30, "a free turn")


def test_bodies_that_are_collected_count_as_memory(limited):
    """The credential goes into the body, so the whole of it is held."""
    world = limited(limits={"buffered": "2MiB"})
    world.daemon.connect(alias="form", type="API_KEY", value={"apiKey": "s"},
                         config={"hosts": ["api.test"], "inject": [{"form": "key", "value": "${apiKey}"}]})
    fields = ("Content-Type: application/x-www-form-urlencoded",)
    large = {"connection": "form", "token": world.daemon.token("*"), "fields": fields, "body": b"a=" + b"x" * 900_000}
    release = held(world)
    with world.client(timeout=60) as first:
        first.send(world.head("POST", **large))
        world.upstream.wait_for(1)
        assert is_shed(world.call("POST", **large))
        release.set()
        assert first.response().status == 200
    assert world.call("POST", **large).status == 200


def test_a_body_that_could_never_be_held_is_413_and_not_worth_a_retry(limited):
    world = limited(limits={"buffered": "1MiB"})
    world.daemon.connect(alias="form", type="API_KEY", value={"apiKey": "s"},
                         config={"hosts": ["api.test"], "inject": [{"form": "key", "value": "${apiKey}"}]})
    refused = world.call("POST", connection="form", token=world.daemon.token("*"),
                         fields=("Content-Type: application/x-www-form-urlencoded",), body=b"a=" + b"x" * 900_000)
    assert (refused.status, refused.code) == (413, "body-too-large")


def test_far_more_connections_than_client_max_are_refused_at_once(limited):
    world = limited(client={"max": 2})
    with world.client() as first, world.client() as second:
        for client in (first, second):
            client.send(world.head())
            assert client.response().status == 200
        flood = [socket.create_connection(world.daemon.proxy.rsplit(":", 1), timeout=60) for _ in range(400)]
        try:
            answers = [sock.recv(65536) for sock in flood]
        finally:
            for sock in flood:
                sock.close()
        assert all(a.startswith(b"HTTP/1.1 503 ") and b"overloaded" in a and b"Retry-After" in a for a in answers)
        first.send(world.head())
        assert first.response().status == 200  # who is in, stays in


CALLERS = 2000


def test_memory_is_bounded_while_many_callers_send_and_never_read(limited):
    """Each asks for a large answer and takes none of it."""
    budget = 16 << 20
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),
                                                resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    world = limited(limits={"buffered": "16MiB"}, client={"max": 4000})
    big = answer(b"x" * (8 << 20))
    world.upstream.answer = big
    assert world.call().status == 200
    before = world.daemon.rss()
    host, port = world.daemon.proxy.rsplit(":", 1)
    callers = []
    try:
        for _ in range(CALLERS):
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.connect((host, int(port)))
            sock.sendall(world.head())
            callers.append(sock)
        metric = "postern_requests_shed_total"

        def shed():
            page = world.daemon.api("GET", "/metrics").body.decode()
            return float(next(line for line in page.splitlines() if line.startswith(metric + " ")).split()[1])

        until(lambda: shed() > 0, 120, "the first refusal")
        # Everybody has been heard: served, or refused.
        heard = set()
        until(lambda: [heard.add(i) for i, sock in enumerate(callers) if i not in heard and peeked(sock)] is not None
              and len(heard) == CALLERS, 120, "an answer for everybody")
        grown = world.daemon.rss() - before
        print(f"\n{CALLERS} callers, {shed():.0f} shed, grown by {grown >> 20} MiB")
        # The budget, what TLS and sockets of those that were served cost, and what the allocator keeps.
        assert grown < 6 * budget, f"grew by {grown >> 20} MiB"
    finally:
        for sock in callers:
            sock.close()
    world.upstream.reset()
    until(lambda: world.call().status == 200, 60, "service again")


def peeked(sock):
    try:
        return bool(sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
    except BlockingIOError:
        return False
    except OSError:
        return True
