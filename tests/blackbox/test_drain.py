"""SIGTERM lets running requests finish, and only those."""
import threading

import pytest
from conftest import world_settings
from kit import until
from kit.http1 import Client, Ended, basic
from kit.upstream import answer


@pytest.fixture
def started(make_daemon, make_upstream, ca):
    def start(**settings):
        upstream = make_upstream()
        daemon = make_daemon({**world_settings(upstream, ca), **settings}).init().start()
        connection = daemon.connect(alias="api")
        request = (f"GET http://api.test/ HTTP/1.1\r\nHost: api.test\r\nX-Connection-Id: api\r\n"
                   f"Proxy-Authorization: {basic('-', daemon.token(connection['id']))}\r\n\r\n")
        return daemon, upstream, request

    return start


def refuses(address):
    try:
        Client(address, timeout=5).close()
        return False
    except ConnectionRefusedError:
        return True


def test_a_running_request_is_finished_before_the_end(started):
    daemon, upstream, request = started()
    release = threading.Event()

    def slow(exchange, _):
        release.wait(20)
        exchange.send(answer(b"finished"))

    upstream.answer = slow
    client = Client(daemon.proxy)
    client.send(request)
    upstream.wait_for(1)
    daemon.signal()
    until(lambda: refuses(daemon.proxy), what="the listener closing")
    assert daemon.running()
    release.set()
    response = client.response()
    assert response.body == b"finished" and response.complete
    assert client.is_closed()
    assert daemon.wait() == 0


def test_an_idle_connection_does_not_hold_the_end_up(started):
    daemon, _, request = started()
    client = Client(daemon.proxy)
    client.send(request)
    assert client.response().status == 200
    daemon.signal()
    assert daemon.wait(10) == 0


def test_the_drain_ends_when_its_time_is_over(started):
    daemon, upstream, request = started(shutdown={"drain": "300ms"})
    upstream.answer = lambda exchange, _: exchange.wait_until_peer_leaves()
    client = Client(daemon.proxy)
    client.send(request)
    upstream.wait_for(1)
    daemon.signal()
    assert daemon.wait(10) == 0
    try:
        assert client.response().code, "an answer of ours, or none at all"
    except Ended:
        pass
    assert client.is_closed()
