"""Bodies of every framing, both ways."""
import threading

import pytest
from kit import SECRET, row, until
from kit.upstream import answer

CHUNKED = "Transfer-Encoding: chunked"


def test_a_request_body_with_a_length(world):
    assert world.call("POST", body=b"hello").status == 200
    seen = world.upstream.last()
    assert (seen.body, seen.complete, seen.fields.get("content-length")) == (b"hello", True, "5")


def test_a_request_body_of_no_bytes_keeps_its_length(world):
    assert world.call("POST", body=b"").status == 200
    assert world.upstream.last().fields.get("content-length") == "0"


def test_a_get_without_a_body_gets_no_framing(world):
    world.call()
    seen = world.upstream.last().fields
    assert "content-length" not in seen and "transfer-encoding" not in seen


def test_a_chunked_request_body(world):
    with world.client() as client:
        client.send(world.head("POST", fields=[CHUNKED]))
        for part in (b"1\r\nh\r\n", b"4\r", b"\nello\r\n", b"000A;x=y\r\n0123456789\r\n", b"0\r", b"\n\r\n"):
            client.send(part)
        assert client.response().status == 200
    seen = world.upstream.last()
    assert seen.body == b"hello0123456789" and seen.complete


def test_a_response_with_a_length(world):
    response = world.call()
    assert response.body == b"hello" and response.complete
    assert response.fields.get("content-length") == "5"


def test_a_chunked_response_without_its_trailers(world):
    world.upstream.answer = (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Late\r\n\r\n"
                             b"5;ext=1\r\nhello\r\n3\r\n!!!\r\n0\r\nX-Late: 1\r\n\r\n")
    response = world.call()
    assert response.body == b"hello!!!" and response.complete
    assert b"X-Late: 1" not in response.raw


def test_a_chunked_response_for_a_1_0_client_ends_with_the_connection(world):
    world.upstream.answer = (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
    with world.client() as client:
        client.send(world.head(version="HTTP/1.0"))
        response = client.response()
        assert "transfer-encoding" not in response.fields
        assert response.body == b"hello" and response.complete


def test_a_response_that_ends_with_a_close(world):
    def until_close(exchange, _):
        exchange.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello")
        exchange.close()

    world.upstream.answer = until_close
    response = world.call()
    assert response.body == b"hello" and response.complete


@pytest.mark.parametrize("fields", ["Content-Length: 1000", "Transfer-Encoding: chunked", "X-None: 1"])
def test_a_head_has_no_body_whatever_it_says(world, fields):
    world.upstream.answer = f"HTTP/1.1 200 OK\r\n{fields}\r\n\r\n".encode()
    with world.client() as client:
        for _ in range(2):
            client.send(world.head("HEAD"))
            assert client.response("HEAD").status == 200
    assert len(world.upstream.requests) == 2


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_204_and_304_have_no_body(world, status):
    world.upstream.answer = f"HTTP/1.1 {status}\r\nETag: \"x\"\r\n\r\n".encode()
    with world.client() as client:
        for _ in range(2):
            client.send(world.head())
            response = client.response()
            assert f"{response.status}" == status[:3]
            assert "transfer-encoding" not in response.fields
    assert len(world.upstream.requests) == 2


def test_304_keeps_the_length_it_talks_about(world):
    world.upstream.answer = b"HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n"
    with world.client() as client:
        for _ in range(2):
            client.send(world.head())
            assert client.response().status == 304


@row("wire:expect-and-interim")
def test_interim_answers_are_relayed(world):
    world.upstream.answer = (b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
                             b"HTTP/1.1 102 Processing\r\n\r\n" + answer(b"final"))
    response = world.call()
    assert [m.status for m in response.interim] == [103, 102]
    assert response.body == b"final"


@row("wire:expect-and-interim")
def test_interim_answers_are_not_sent_to_1_0_clients(world):
    world.upstream.answer = b"HTTP/1.1 103 Early Hints\r\n\r\n" + answer(b"final")
    response = world.call(version="HTTP/1.0")
    assert not response.interim and response.body == b"final"


@row("wire:expect-and-interim")
def test_more_than_eight_interim_answers_are_a_fault(world):
    world.upstream.answer = b"HTTP/1.1 103 Early Hints\r\n\r\n" * 9 + answer(b"final")
    with world.client() as client:
        client.send(world.head())
        final = client.response()
        assert (final.status, final.code) == (502, "upstream-malformed")
        assert len(final.interim) <= 8


@row("wire:expect-and-interim")
def test_an_unasked_101_is_a_fault(world):
    world.upstream.answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"
    response = world.call()
    assert (response.status, response.code) == (502, "upstream-malformed")


@row("wire:expect-and-interim")
def test_expect_100_is_relayed(world):
    world.upstream.lazy = True

    def asks(exchange, request):
        assert request.fields.get("expect") == "100-continue"
        exchange.send("HTTP/1.1 100 Continue\r\n\r\n")
        exchange.read_body(request)
        exchange.send(answer(request.body))

    world.upstream.answer = asks
    with world.client() as client:
        client.send(world.head("POST", fields=["Expect: 100-continue", "Content-Length: 5"]))
        assert client.head().status == 100
        client.send(b"hello")
        assert client.response().body == b"hello"


@row("wire:expect-and-interim")
def test_a_refused_expectation_sends_no_body(world):
    world.upstream.lazy = True
    world.upstream.answer = answer(b"no", "413 Content Too Large")
    with world.client() as client:
        client.send(world.head("POST", fields=["Expect: 100-continue", "Content-Length: 5"]))
        response = client.response()
        assert (response.status, response.interim) == (413, [])


def test_an_early_answer_arrives_while_the_body_is_still_being_sent(world):
    world.upstream.lazy = True
    world.upstream.answer = answer(b"too much", "413 Content Too Large", "Connection: close")
    with world.client() as client:
        client.send(world.head("POST", fields=["Content-Length: 10000000"]) + b"x" * 1000)
        response = client.response()
        assert (response.status, response.body) == (413, b"too much")


def test_a_body_streams_in_both_directions_at_once(world):
    """The service answers each line as it comes: nothing may wait for the end of the request."""
    world.upstream.lazy = True

    def echo(exchange, request):
        exchange.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while size := int(exchange.reader.until(b"\r\n"), 16):
            data = exchange.reader.exactly(size)
            exchange.reader.exactly(2)
            exchange.send(b"%x\r\n%s\r\n" % (len(data), data))
        exchange.reader.exactly(2)
        exchange.send("0\r\n\r\n")

    world.upstream.answer = echo
    with world.client() as client:
        client.send(world.head("POST", fields=[CHUNKED]))
        head = None
        for word in (b"one", b"second", b"three"):
            client.send(b"%x\r\n%s\r\n" % (len(word), word))
            head = head or client.head()
            assert int(client.reader.until(b"\r\n"), 16) == len(word)
            assert client.reader.exactly(len(word) + 2) == word + b"\r\n"
        client.send(b"0\r\n\r\n")
        assert client.reader.until(b"\r\n") == b"0\r\n"


def test_events_arrive_when_they_are_sent(world):
    step = threading.Event()

    def events(exchange, _):
        exchange.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        exchange.send(b"9\r\ndata: 1\n\n\r\n")
        step.wait(20)
        exchange.send(b"9\r\ndata: 2\n\n\r\n0\r\n\r\n")

    world.upstream.answer = events
    with world.client() as client:
        client.send(world.head())
        client.head()
        client.reader.until(b"data: 1\n\n\r\n")
        step.set()
        client.reader.until(b"data: 2\n\n\r\n0\r\n\r\n")


def test_pipelined_requests_are_answered_in_order(world):
    world.upstream.answer = lambda exchange, request: exchange.send(answer(request.target))
    with world.client() as client:
        client.send(b"".join(world.head(path=f"/{n}") if n % 2 else world.head("POST", f"/{n}", body=b"x" * n)
                             for n in range(20)))
        assert [client.response().body.decode() for _ in range(20)] == [f"/{n}" for n in range(20)]


def test_a_pipelined_request_behind_a_bad_one_is_never_served(world):
    with world.client() as client:
        client.send(world.head(path="/good") + world.head(path="/bad", fields=["A : b"]) + world.head(path="/after"))
        assert client.response().status == 200
        assert client.response().status == 400
        assert client.is_closed()
    assert [r.target for r in world.upstream.requests] == ["/good"]


def test_the_connection_is_kept_and_closed_as_the_client_asks(world):
    with world.client() as client:
        client.send(world.head())
        client.response()
        client.send(world.head(fields=["Connection: close"]))
        response = client.response()
        assert response.fields.get("connection") == "close"
        assert client.is_closed()


def test_a_1_0_client_is_closed_unless_it_asks_to_stay(world):
    with world.client() as client:
        client.send(world.head(version="HTTP/1.0"))
        assert client.response().complete and client.is_closed()


def test_a_request_that_trickles_in_byte_by_byte(world):
    with world.client() as client:
        for byte in world.head("POST", body=b"hello"):
            client.send(bytes([byte]))
        assert client.response().status == 200
    assert world.upstream.last().body == b"hello"


def test_an_answer_that_trickles_in_byte_by_byte(world):
    def trickle(exchange, _):
        for byte in b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n5\r\nhello\r\n0\r\n\r\n":
            exchange.send(bytes([byte]))

    world.upstream.answer = trickle
    response = world.call()
    assert response.body == b"hello" and response.fields.get("x-a") == "b"


def test_empty_lines_before_a_request_are_tolerated(world):
    with world.client() as client:
        client.send(b"\r\n" + world.head())
        assert client.response().status == 200


def test_a_caller_that_leaves_ends_its_upstream_request(world):
    left = threading.Event()

    def wait(exchange, _):
        exchange.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
        exchange.wait_until_peer_leaves()
        left.set()

    world.upstream.answer = wait
    client = world.client()
    client.send(world.head())
    client.head()
    client.close()
    until(left.is_set, what="the upstream connection ending")


def test_a_caller_that_leaves_in_mid_body_never_makes_a_whole_request(world):
    world.upstream.lazy = True
    bodies = []

    def read(exchange, request):
        bodies.append(exchange.read_body(request))

    world.upstream.answer = read
    client = world.client()
    client.send(world.head("POST", fields=[CHUNKED]) + b"5\r\nhello\r\n")
    client.close()
    until(lambda: bodies, what="the end of the upstream request")
    assert not bodies[0].complete
    assert bodies[0].fields.get("authorization") == f"Bearer {SECRET}"
