"""What is taken away ends at once: the next request is refused, and running streams end within a second."""
import itertools
import time

import pytest
from kit import row
from kit.http1 import Ended

numbers = itertools.count()
WITHIN = 1.5  # seconds; the promise is one, the rest is for a loaded machine


@pytest.fixture
def streaming(world):
    """A connection of its own with an answer under way that never ends by itself."""

    def endless(exchange, _):
        exchange.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
        exchange.wait_until_peer_leaves()

    made = world.daemon.connect(alias=f"r{next(numbers)}")
    caller = world.daemon.authorize(made["id"])
    world.upstream.answer = endless
    client = world.client()
    client.send(world.head(connection=made["id"], token=caller["token"]))
    client.head()
    client.reader.until(b"1\r\nx\r\n")
    yield made, caller, client
    client.close()


def ends(client, act):
    """Seconds from the action until the stream has ended; it must end without a last chunk."""
    began = time.monotonic()
    act()
    with pytest.raises(Ended):
        client.reader.until(b"0\r\n\r\n")
    return time.monotonic() - began


def ok(answer):
    assert answer.status in (200, 204), answer.body


@row("connection-unavailable")
def test_deleting_a_connection_ends_its_streams(world, streaming):
    made, caller, client = streaming
    assert ends(client, lambda: ok(world.daemon.api("DELETE", f"/api/v1/connections/{made['id']}"))) < WITHIN
    assert world.call(connection=made["id"], token=caller["token"]).code == "connection-unavailable"


@row("connection-revoked")
def test_disabling_a_connection_ends_its_streams(world, streaming):
    made, caller, client = streaming

    path = f"/api/v1/connections/{made['id']}"
    assert ends(client, lambda: ok(world.daemon.api("PATCH", path, {"enabled": False}))) < WITHIN
    assert world.call(connection=made["id"], token=caller["token"]).code == "connection-revoked"


@row("caller-unauthenticated")
def test_revoking_an_authorization_ends_its_streams(world, streaming):
    made, caller, client = streaming
    assert ends(client, lambda: ok(world.daemon.api("DELETE", f"/api/v1/authorizations/{caller['id']}"))) < WITHIN
    assert world.call(connection=made["id"], token=caller["token"]).status == 407


def test_an_expired_authorization_ends_its_streams(world):
    from test_tokens import utc

    def endless(exchange, _):
        exchange.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
        exchange.wait_until_peer_leaves()

    world.upstream.answer = endless
    token = world.daemon.token(world.connection["id"], expires=utc(2))
    with world.client() as client:
        client.send(world.head(token=token))
        assert client.head().status == 200
        assert ends(client, lambda: None) < 3 + WITHIN


def test_other_streams_go_on(world, streaming):
    _, caller, client = streaming
    ok(world.daemon.api("DELETE", f"/api/v1/authorizations/{world.daemon.authorize('*')['id']}"))
    client.sock.settimeout(WITHIN)
    assert client.ending() == "open"


def test_a_kept_client_connection_is_judged_anew_for_each_request(world):
    caller = world.daemon.authorize(world.connection["id"])
    with world.client() as client:
        client.send(world.head(token=caller["token"]))
        assert client.response().status == 200
        ok(world.daemon.api("DELETE", f"/api/v1/authorizations/{caller['id']}"))
        client.send(world.head(token=caller["token"]))
        assert client.response().status == 407


def test_a_deleted_connections_secret_is_gone_from_the_api_and_its_alias_free(world):
    made = world.daemon.connect(alias="once")
    assert world.daemon.api("DELETE", f"/api/v1/connections/{made['id']}").status == 204
    assert world.daemon.api("GET", f"/api/v1/connections/{made['id']}").status == 404
    assert world.daemon.api("DELETE", f"/api/v1/connections/{made['id']}").status == 404
    again = world.daemon.connect(alias="once")
    assert again["id"] != made["id"]
