"""A service that misbehaves: refused before the head went out, aborted afterwards, never ended cleanly."""
import pytest
from kit import row
from kit.upstream import answer

OK = b"HTTP/1.1 200 OK\r\n"
MALFORMED = {
    "length and chunked": OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "a signed length": OK + b"Content-Length: +5\r\n\r\nhello",
    "an unknown coding": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "a folded line": OK + b"X-A: 1\r\n 2\r\nContent-Length: 0\r\n\r\n",
    "a bare LF": OK + b"X-A: 1\nContent-Length: 0\r\n\r\n",
    "a bare CR": OK + b"X-A: 1\r2\r\nContent-Length: 0\r\n\r\n",
    "a NUL": OK + b"X-A: \x00\r\nContent-Length: 0\r\n\r\n",
    "a space before the colon": OK + b"X-A : 1\r\nContent-Length: 0\r\n\r\n",
    "no HTTP at all": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "a bad status": b"HTTP/1.1 20 OK\r\n\r\n",
    "a status of letters": b"HTTP/1.1 abc OK\r\n\r\n",
    "another version": b"HTTP/3.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "a head without end": OK + b"X-A: " + b"a" * 70_000 + b"\r\n\r\n",
    "too many fields": OK + b"".join(b"X-%d: 1\r\n" % n for n in range(300)) + b"\r\n",
}


@row("upstream-malformed", "wire:bad-response")
@pytest.mark.parametrize("raw", list(MALFORMED.values()), ids=list(MALFORMED))
def test_a_malformed_head_is_502(world, raw):
    world.upstream.answer = raw
    response = world.call()
    assert (response.status, response.code) == (502, "upstream-malformed")
    assert b"SSH" not in response.body


@row("upstream-closed")
@pytest.mark.parametrize("ending", ["close", "cut", "reset"])
def test_closed_before_a_head_is_502(world, ending):
    world.upstream.answer = lambda exchange, _: getattr(exchange, ending)()
    response = world.call("POST", body=b"x")
    assert (response.status, response.code) == (502, "upstream-closed")
    assert response.json()["retryable"] in (False, "idempotent", "unknown")
    assert len(world.upstream.requests) == 1, "a request that may have been carried out is not sent twice"


@row("upstream-closed")
def test_closed_in_the_middle_of_a_head_is_502(world):
    def half(exchange, _):
        exchange.send(OK + b"X-A: ")
        exchange.cut()

    world.upstream.answer = half
    assert world.call().code == "upstream-closed"


CUTS = {
    "before the length is reached": OK + b"Content-Length: 10\r\n\r\nhello",
    "between chunks": OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    "inside a chunk": OK + b"Transfer-Encoding: chunked\r\n\r\n9\r\nhello",
    "before the last line": OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
}


@row("cut-in-mid-body", "wire:cut-response")
@pytest.mark.parametrize("ending", ["close", "cut", "reset"])
@pytest.mark.parametrize("raw", list(CUTS.values()), ids=list(CUTS))
def test_an_answer_cut_short_aborts_the_caller(world, raw, ending):
    def short(exchange, _):
        exchange.send(raw)
        getattr(exchange, ending)()

    world.upstream.answer = short
    with world.client() as client:
        client.send(world.head())
        try:
            response = client.response()
        except Exception as error:  # noqa: BLE001 - reset before the head was read
            assert type(error).__name__ == "Ended"
            return
        assert not response.complete


@row("cut-in-mid-body", "wire:cut-response")
@pytest.mark.parametrize("ending", ["cut", "reset"])
def test_an_answer_that_ends_without_close_notify_aborts_the_caller(world, ending):
    def short(exchange, _):
        exchange.send(OK + b"Connection: close\r\n\r\nhello")
        getattr(exchange, ending)()

    world.upstream.answer = short
    with world.client() as client:
        client.send(world.head())
        try:
            response = client.response()
        except Exception as error:  # noqa: BLE001
            assert type(error).__name__ == "Ended"
            return
        assert not response.complete, "a cut answer looked whole"


BAD_CHUNKS = {"a signed size": b"+5\r\nhello\r\n0\r\n\r\n", "no hex": b"zz\r\nhello\r\n0\r\n\r\n",
              "data too long": b"5\r\nhello!\r\n0\r\n\r\n", "LF only": b"5\nhello\n0\n\n"}


@row("cut-in-mid-body", "wire:cut-response")
@pytest.mark.parametrize("chunks", list(BAD_CHUNKS.values()), ids=list(BAD_CHUNKS))
def test_bad_chunks_abort_the_caller(world, chunks):
    world.upstream.answer = OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunks
    with world.client() as client:
        client.send(world.head())
        try:
            response = client.response()
        except Exception as error:  # noqa: BLE001
            assert type(error).__name__ == "Ended"
            return
        assert response.status == 502 or not response.complete


def test_a_good_request_after_all_of_this_is_served(world):
    world.upstream.answer = answer(b"fine")
    assert world.call().body == b"fine"
