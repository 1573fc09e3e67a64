"""Every refusal of DESIGN section 5, as raw bytes. Nothing of any of them may reach the service."""
import pytest
from kit import row
from kit.http1 import basic

A = "{auth}"  # the caller's token and connection, as they stand in every good request
B = "{auth-b}"  # likewise, for a connection that injects X-Injected


def get(*fields, line="GET http://api.test/ HTTP/1.1", host="Host: api.test", end="\r\n\r\n"):
    return "\r\n".join([line, *([host] if host else []), A, *fields]) + end


def post(*fields, body="", **options):
    return get(*fields, line=options.pop("line", "POST http://api.test/ HTTP/1.1"), **options) + body


SMUGGLED = "0\r\n\r\nGET http://api.test/smuggled HTTP/1.1\r\nHost: api.test\r\n" + A + "\r\n\r\n"

FRAMING = {
    "length and chunked": post("Content-Length: 5", "Transfer-Encoding: chunked", body=SMUGGLED),
    "chunked and length": post("Transfer-Encoding: chunked", "Content-Length: 5", body=SMUGGLED),
    "two lengths": post("Content-Length: 5", "Content-Length: 6", body="hello!"),
    "two equal lengths": post("Content-Length: 5", "Content-Length: 5", body="hello"),
    "a list of lengths": post("Content-Length: 5, 5", body="hello"),
    "a plus sign": post("Content-Length: +5", body="hello"),
    "a minus sign": post("Content-Length: -1"),
    "hex": post("Content-Length: 0x5", body="hello"),
    "an empty length": post("Content-Length:"),
    "a length of 2^64": post("Content-Length: 18446744073709551616"),
    "a length of many digits": post("Content-Length: " + "9" * 60),
    "a length with a space inside": post("Content-Length: 1 0", body="0123456789"),
    "a fraction": post("Content-Length: 5.0", body="hello"),
    "chunked twice": post("Transfer-Encoding: chunked, chunked", body=SMUGGLED),
    "chunked on two lines": post("Transfer-Encoding: chunked", "Transfer-Encoding: chunked", body=SMUGGLED),
    "gzip, chunked": post("Transfer-Encoding: gzip, chunked", body=SMUGGLED),
    "identity": post("Transfer-Encoding: identity", body=SMUGGLED),
    "an unknown coding": post("Transfer-Encoding: xchunked", body=SMUGGLED),
    "a quoted coding": post('Transfer-Encoding: "chunked"', body=SMUGGLED),
    "a parameter": post("Transfer-Encoding: chunked;q=1", body=SMUGGLED),
    "an empty coding": post("Transfer-Encoding:", body=SMUGGLED),
    "a vertical tab": post("Transfer-Encoding: \x0bchunked", body=SMUGGLED),
    "chunked in 1.0": post("Transfer-Encoding: chunked", line="POST http://api.test/ HTTP/1.0", body=SMUGGLED),
}
LINES = {
    "a space before the colon": get("X-A : 1"),
    "a tab before the colon": get("X-A\t: 1"),
    "a folded line": get("X-A: 1\r\n 2"),
    "a folded first line": get(host=" Host: api.test"),
    "a bare CR": get("X-A: 1\r2"),
    "a bare LF in a value": get("X-A: 1\nX-B: 2"),
    "LF only": get().replace("\r\n", "\n"),
    "a NUL": get("X-A: \x00"),
    "a control character": get("X-A: \x01"),
    "a DEL": get("X-A: \x7f"),
    "an empty name": get(": 1"),
    "no colon": get("X-A"),
    "a name that is no token": get("X(A): 1"),
    "a name with a non-ASCII letter": get("X-\xe4: 1"),
    "two spaces in the request line": get(line="GET  http://api.test/ HTTP/1.1"),
    "a tab in the request line": get(line="GET\thttp://api.test/\tHTTP/1.1"),
    "a method that is no token": get(line="G(T http://api.test/ HTTP/1.1"),
    "no version": get(line="GET http://api.test/"),
    "a lower case version": get(line="GET http://api.test/ http/1.1"),
}
UNDERSCORES = {
    "content_length": post("Content_Length: 5", body="hello"),
    "transfer_encoding": post("Transfer_Encoding: chunked", body=SMUGGLED),
    "the connection id": get("X_Connection_Id: other"),
    "half of the connection id": get("X-Connection_Id: other"),
    "an injected field": get("X_Injected: mine").replace(A, B),
}
CHUNKED = "Transfer-Encoding: chunked"
CHUNKS = {
    "a sign": post(CHUNKED, body="+5\r\nhello\r\n0\r\n\r\n"),
    "a minus sign": post(CHUNKED, body="-5\r\nhello\r\n0\r\n\r\n"),
    "a leading space": post(CHUNKED, body=" 5\r\nhello\r\n0\r\n\r\n"),
    "a trailing space": post(CHUNKED, body="5 \r\nhello\r\n0\r\n\r\n"),
    "0x": post(CHUNKED, body="0x5\r\nhello\r\n0\r\n\r\n"),
    "an overflow": post(CHUNKED, body="10000000000000005\r\nhello\r\n0\r\n\r\n"),
    "an empty size": post(CHUNKED, body="\r\nhello\r\n0\r\n\r\n"),
    "no hex": post(CHUNKED, body="g\r\nhello\r\n0\r\n\r\n"),
    "LF after the size": post(CHUNKED, body="5\nhello\r\n0\r\n\r\n"),
    "LF after the data": post(CHUNKED, body="5\r\nhello\n0\r\n\r\n"),
    "data longer than its size": post(CHUNKED, body="5\r\nhello!\r\n0\r\n\r\n"),
    "a bare CR in an extension": post(CHUNKED, body="5;a\rb\r\nhello\r\n0\r\n\r\n"),
    "LF in an extension": post(CHUNKED, body="5;a\nb\r\nhello\r\n0\r\n\r\n"),
}
TRAILERS = {
    "a length in a trailer": post(CHUNKED, body="5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n"),
    "a coding in a trailer": post(CHUNKED, body="5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n"),
    "a trailer in a trailer": post(CHUNKED, body="5\r\nhello\r\n0\r\nTrailer: X\r\n\r\n"),
    "a malformed trailer": post(CHUNKED, body="5\r\nhello\r\n0\r\nX-A : 1\r\n\r\n"),
    "a folded trailer": post(CHUNKED, body="5\r\nhello\r\n0\r\nX-A: 1\r\n 2\r\n\r\n"),
    "LF-only trailers": post(CHUNKED, body="5\r\nhello\r\n0\r\nX-A: 1\n\n"),
    "extensions over 4 KiB in all": post(CHUNKED, body="".join(f"1;{'a' * 900}\r\nx\r\n" for _ in range(6)) + "0\r\n\r\n"),
}
TARGETS = {
    "no Host": get(host=None),
    "two Hosts": get("Host: api.test"),
    "two different Hosts": get("Host: evil.test"),
    "userinfo": get(line="GET http://user@api.test/ HTTP/1.1"),
    "userinfo with another host": get(line="GET http://api.test@evil.test/ HTTP/1.1"),
    "a backslash": get(line="GET http://api.test\\@evil.test/ HTTP/1.1"),
    "a backslash in the path": get(line="GET http://api.test/\\x HTTP/1.1"),
    "a fragment": get(line="GET http://api.test/#x HTTP/1.1"),
    "port 0": get(line="GET http://api.test:0/ HTTP/1.1"),
    "port 65536": get(line="GET http://api.test:65536/ HTTP/1.1"),
    "a port with a sign": get(line="GET http://api.test:+443/ HTTP/1.1"),
    "a port with letters": get(line="GET http://api.test:4x/ HTTP/1.1"),
    "raw non-ASCII in the host": get(line="GET http://\xe4pi.test/ HTTP/1.1"),
    "raw non-ASCII in the path": get(line="GET http://api.test/\xe4 HTTP/1.1"),
    "no host in the target": get(line="GET http:///x HTTP/1.1"),
    "another scheme": get(line="GET ftp://api.test/ HTTP/1.1"),
    "an origin-form": get(line="GET /x HTTP/1.1", host="Host: localhost:{port}"),
    "a bad Host": get(host="Host: api.test/x"),
    "userinfo in Host": get(host="Host: a@api.test"),
    "an octal address": get(line="GET http://0177.0.0.1/ HTTP/1.1"),
    "a decimal address": get(line="GET http://2130706433/ HTTP/1.1"),
    "a short address": get(line="GET http://127.1/ HTTP/1.1"),
    "a zone id": get(line="GET http://[fe80::1%25eth0]/ HTTP/1.1"),
}
NAMES = {
    "two connection ids": get("X-Connection-Id: other"),
    "two equal connection ids": get("X-Connection-Id: api"),
    "two proxy authorizations": get("Proxy-Authorization: Bearer pst_x"),
}

def cases(table):
    return pytest.mark.parametrize("data", list(table.values()), ids=list(table.keys()))


def filled(world, data):
    """The bytes with the caller's own fields in their place."""
    for mark, name in ((A, "api"), (B, "injects")):
        if mark in data and name == "injects" and world.daemon.api("GET", "/api/v1/connections/injects").status == 404:
            world.daemon.connect(alias=name, type="API_KEY", value={"apiKey": "k"},
                                 config={"hosts": ["api.test"], "inject": [{"header": "X-Injected", "value": "${apiKey}"}]})
        token = world.token if name == "api" else world.daemon.token("*")
        data = data.replace(mark, f"Proxy-Authorization: {basic('-', token)}\r\nX-Connection-Id: {name}")
    return data.replace("{port}", world.daemon.proxy.split(":")[1]).encode("latin-1")


@pytest.fixture
def refused(world):
    """The answer to these bytes; whatever they were, nothing reached the service and the connection is closed."""

    def send(data, status=400, code="malformed-request"):
        response, closed = world.refused(filled(world, data))
        assert (response.status, response.code) == (status, code), response.body
        assert closed, "the connection stayed open"
        assert (response.fields.get("connection") or "").lower() == "close"
        assert not world.upstream.requests, world.upstream.requests[0].raw
        return response

    return send


@row("wire:content-length-and-transfer-encoding", "malformed-request")
@cases(FRAMING)
def test_refuses_ambiguous_framing(refused, data):
    refused(data)


@row("wire:line-syntax")
@cases(LINES)
def test_refuses_malformed_lines(refused, data):
    refused(data)


@row("wire:underscore-spellings")
@cases(UNDERSCORES)
def test_refuses_underscore_spellings(refused, data):
    refused(data)


@row("wire:host-and-target")
@cases(TARGETS)
def test_refuses_malformed_targets_and_hosts(refused, data):
    refused(data)


@row("wire:names-twice")
@cases(NAMES)
def test_refuses_two_names(refused, data):
    refused(data)


@row("wire:connection-names-a-field")
def test_refuses_a_connection_field_that_names_the_length(refused):
    refused(post("Connection: content-length", "Content-Length: 5", body="hello"))


def bad_body(world, data):
    """A fault behind the head: 400 if nothing went out yet, otherwise the upstream exchange is cut. Never a whole body."""
    with world.client() as client:
        client.send_as_far_as_it_goes(filled(world, data))
        try:
            response = client.response("POST")
            assert response.status == 400, response.body
        except Exception as error:  # noqa: BLE001 - aborted without an answer is the other allowed ending
            assert type(error).__name__ == "Ended"
        assert client.is_closed()
    assert not any(r.complete for r in world.upstream.requests), "the service saw a complete request"


@row("wire:chunks")
@cases(CHUNKS)
def test_refuses_bad_chunks(world, data):
    bad_body(world, data)


@row("wire:trailers-and-extensions")
@cases(TRAILERS)
def test_refuses_bad_trailers_and_extensions(world, data):
    bad_body(world, data)


@row("wire:trailers-and-extensions")
def test_trailers_and_extensions_are_dropped(world):
    with world.client() as client:
        client.send(world.head("POST", fields=[CHUNKED, "Trailer: X-Late"]) +
                    b"5;a=b;c\r\nhello\r\n0\r\nX-Late: 1\r\nAuthorization: mine\r\n\r\n")
        assert client.response().status == 200
    seen = world.upstream.last()
    assert seen.body == b"hello" and seen.complete
    assert "x-late" not in seen.fields and b"mine" not in seen.raw


@row("wire:limits", "head-too-large")
def test_refuses_a_head_that_is_too_large(refused):
    refused(get("X-A: " + "a" * 33_000), 431, "head-too-large")


@row("wire:limits", "head-too-large")
def test_refuses_more_than_a_hundred_fields(refused):
    refused(get(*[f"X-{n}: {n}" for n in range(101)]), 431, "head-too-large")


@row("wire:limits", "target-too-long")
def test_refuses_a_target_that_is_too_long(refused):
    refused(get(line=f"GET http://api.test/{'a' * 8200} HTTP/1.1"), 414, "target-too-long")


@row("wire:version-and-loop", "version-not-supported")
@pytest.mark.parametrize("version", ["HTTP/2.0", "HTTP/1.2", "HTTP/0.9", "HTTP/3.0"])
def test_refuses_other_versions(refused, version):
    refused(get(line=f"GET http://api.test/ {version}"), 505, "version-not-supported")


@row("wire:expect-and-interim", "expectation-failed")
def test_refuses_other_expectations(world):
    response = world.call("POST", fields=["Expect: 200-ok"], body=b"hello")
    assert (response.status, response.code) == (417, "expectation-failed")
    assert not world.upstream.requests


@row("wire:methods", "method-not-allowed")
@pytest.mark.parametrize("method", ["TRACE", "TRACK"])
def test_refuses_methods_that_echo(world, method):
    response = world.call(method)
    assert (response.status, response.code) == (405, "method-not-allowed")
    assert not world.upstream.requests


@row("wire:version-and-loop", "loop-detected")
def test_refuses_a_request_that_came_from_itself(world, refused):
    world.call()
    via = world.upstream.last().fields.get("via")
    world.upstream.reset()
    refused(get(f"Via: 1.0 other, {via}"), 508, "loop-detected")


def test_a_hundred_fields_and_a_long_target_are_still_fine(world):
    fields = [f"X-{n}: {n}" for n in range(90)]
    assert world.call(path="/" + "a" * 8000, fields=fields).status == 200


def test_a_good_request_after_all_of_this_is_served(world):
    assert world.call().status == 200
