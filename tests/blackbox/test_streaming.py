"""What goes on while it goes on: WebSockets, server-sent events, long polls, uploads of unknown length."""
import base64
import gzip
import hashlib
import json
import os
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path

import pytest
from kit import SECRET, row, until
from kit.http1 import basic
from kit.upstream import answer
from test_revocation import WITHIN, ok

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3
KEY = base64.b64encode(b"sixteen bytes...").decode()
WEBSOCKET = ["Connection: Upgrade", "Upgrade: websocket", f"Sec-WebSocket-Key: {KEY}", "Sec-WebSocket-Version: 13"]


def accept_of(key):
    return base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()


def grant(request):
    return ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept_of(request.fields.get('sec-websocket-key'))}\r\n\r\n")


def frame(payload, opcode=1, mask=None):
    """One frame (RFC 6455 section 5.2)."""
    first = bytes([0x80 | opcode])
    masked = 0x80 if mask else 0
    size = bytes([masked | len(payload)]) if len(payload) < 126 else bytes([masked | 126]) + struct.pack(">H", len(payload))
    body = bytes(b ^ mask[i % 4] for i, b in enumerate(payload)) if mask else payload
    return first + size + (mask or b"") + body


def echo(exchange, request):
    """Grants, and sends back every byte as it came."""
    exchange.send(grant(request))
    echo_bytes(exchange)


def echo_bytes(exchange):
    exchange.send(exchange.reader.buffer)
    exchange.reader.buffer = b""
    while data := exchange.sock.recv(65536):
        exchange.send(data)
    exchange.close()


def upgraded(world, **options):
    client = world.client()
    client.send(world.head(fields=[*WEBSOCKET, *options.pop("fields", [])], **options))
    head = client.head()
    assert head.status == 101, head.raw
    return client, head


def tunnel(world, target="api.test:80"):
    client = world.client()
    client.send(f"CONNECT {target} HTTP/1.1\r\nProxy-Authorization: {basic('api', world.token)}\r\n\r\n")
    assert client.head().status == 200
    return client


# --- WebSocket
def test_a_websocket_gets_its_credential_and_its_frames_go_through_untouched(world):
    world.upstream.answer = echo
    client, head = upgraded(world, path="/live?room=1")
    with client:
        assert head.fields.all("upgrade") == ["websocket"] and head.fields.all("connection") == ["Upgrade"]
        assert head.fields.get("sec-websocket-accept") == "FlYPPSB53TTF16oKOkJqU84hNz0="  # of KEY
        for payload in (b"hello", bytes(range(256)), os.urandom(60_000)):
            sent = frame(payload, 2, mask=b"\x12\x34\x56\x78")
            client.send(sent)
            assert client.reader.exactly(len(sent)) == sent
    seen = world.upstream.last()
    assert seen.start == "GET /live?room=1 HTTP/1.1"
    assert seen.fields.all("authorization") == [f"Bearer {SECRET}"]
    assert seen.fields.all("upgrade") == ["websocket"] and seen.fields.all("connection") == ["Upgrade"]
    assert seen.fields.all("sec-websocket-key") == [KEY] and seen.fields.all("sec-websocket-version") == ["13"]


def test_frames_that_come_with_the_grant_are_not_lost(world):
    first = frame(b"welcome")

    def at_once(exchange, request):
        exchange.send(grant(request).encode() + first)
        echo_bytes(exchange)

    world.upstream.answer = at_once
    client, _ = upgraded(world)
    with client:
        assert client.reader.exactly(len(first)) == first
        client.send(b"more")
        assert client.reader.exactly(4) == b"more"


@pytest.mark.parametrize("connection", ["Upgrade", "keep-alive, Upgrade", "upgrade,keep-alive"])
def test_however_the_caller_writes_connection(world, connection):
    world.upstream.answer = echo
    fields = [f"Connection: {connection}", "Upgrade: WebSocket", *WEBSOCKET[2:]]
    with world.client() as client:
        client.send(world.head(fields=fields))
        assert client.head().status == 101
    assert world.upstream.last().fields.all("connection") == ["Upgrade"]


def test_a_websocket_works_in_a_tunnel(world):
    world.upstream.answer = echo
    with tunnel(world) as client:
        client.send("GET /ws HTTP/1.1\r\nHost: api.test\r\n" + "\r\n".join(WEBSOCKET) + "\r\n\r\n")
        assert client.head().status == 101
        client.send(b"frames")
        assert client.reader.exactly(6) == b"frames"
    assert world.upstream.last().fields.get("authorization") == f"Bearer {SECRET}"


def test_either_end_is_passed_on(world):
    ended = threading.Event()

    def listens(exchange, request):
        exchange.send(grant(request))
        assert exchange.sock.recv(100) == b"last words"
        assert exchange.sock.recv(100) == b""
        ended.set()
        exchange.send(b"and mine")
        exchange.close()

    world.upstream.answer = listens
    client, _ = upgraded(world)
    with client:
        client.send(b"last words")
        client.sock.shutdown(socket.SHUT_WR)
        assert ended.wait(20)
        assert client.reader.exactly(8) == b"and mine"
        assert client.ending() == "closed"


def test_a_websocket_that_is_cut_is_cut_for_the_caller(world):
    def cuts(exchange, request):
        exchange.send(grant(request))
        assert exchange.sock.recv(1) == b"x"
        exchange.reset()

    world.upstream.answer = cuts
    client, _ = upgraded(world)
    with client:
        client.send(b"x")
        assert client.ending() == "reset"


@pytest.mark.parametrize("status", ["200 OK", "400 Bad Request", "404 Not Found", "426 Upgrade Required"])
def test_an_upgrade_that_is_not_granted_is_an_ordinary_answer(world, status):
    world.upstream.answer = answer(b"no", status, "Upgrade: websocket", "Connection: Upgrade")
    with world.client() as client:
        client.send(world.head(fields=WEBSOCKET))
        response = client.response()
        assert response.start.startswith(f"HTTP/1.1 {status}") and response.body == b"no"
        assert "upgrade" not in response.fields and "connection" not in response.fields
        client.send(world.head())
        assert client.response().body == b"no"


ACCEPT = "Sec-WebSocket-Accept: " + accept_of(KEY)


@pytest.mark.parametrize("granted", [
    f"Upgrade: h2c\r\nConnection: Upgrade\r\n{ACCEPT}", f"Connection: Upgrade\r\n{ACCEPT}", f"Upgrade: websocket\r\n{ACCEPT}",
    f"Upgrade: websocket\r\nConnection: close\r\n{ACCEPT}", f"Upgrade: websocket, h2c\r\nConnection: Upgrade\r\n{ACCEPT}",
    f"Upgrade: websocket\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n{ACCEPT}", "X-None: x",
    "Upgrade: websocket\r\nConnection: Upgrade", f"Upgrade: websocket\r\nConnection: Upgrade\r\n{ACCEPT}\r\n{ACCEPT}",
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept_of("another"),
    f"Upgrade: websocket\r\nConnection: Upgrade\r\n{ACCEPT}\r\nContent-Length: 5",
    f"Upgrade: websocket\r\nConnection: Upgrade\r\n{ACCEPT}\r\nTransfer-Encoding: chunked"])
@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/1.0"])
@row("upstream-malformed")
def test_an_upgrade_that_is_granted_differently_is_a_fault(world, granted, version):
    world.upstream.answer = f"{version} 101 Switching Protocols\r\n{granted}\r\n\r\n".encode() + frame(b"smuggled")
    with world.client() as client:
        client.send(world.head(fields=WEBSOCKET))
        response = client.response()
        assert (response.status, response.code) == (502, "upstream-malformed")
        assert b"smuggled" not in response.body


@pytest.mark.parametrize("method,version,fields,body", [
    ("POST", "HTTP/1.1", WEBSOCKET, b"body"), ("POST", "HTTP/1.1", WEBSOCKET, None), ("GET", "HTTP/1.0", WEBSOCKET, None),
    ("GET", "HTTP/1.1", WEBSOCKET, b"body"), ("GET", "HTTP/1.1", ["Upgrade: websocket"], None),
    ("GET", "HTTP/1.1", ["Connection: Upgrade"], None), ("GET", "HTTP/1.1", ["Connection: Upgrade", "Upgrade: h2c"], None),
    ("GET", "HTTP/1.1", ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk"], None),
    ("GET", "HTTP/1.1", ["Connection: Upgrade", "Upgrade: websocket, h2c"], None),
    ("GET", "HTTP/1.1", ["Connection: Upgrade", "Upgrade: websocket", "Upgrade: h2c"], None),
    ("GET", "HTTP/1.1", ["Connection: Upgrade", "Upgrade: TLS/1.2"], None),
    ("GET", "HTTP/1.1", [*WEBSOCKET[:2], WEBSOCKET[3]], None), ("GET", "HTTP/1.1", WEBSOCKET[:3], None),
    ("GET", "HTTP/1.1", [*WEBSOCKET, WEBSOCKET[2]], None),
    ("GET", "HTTP/1.1", [*WEBSOCKET[:2], "Sec-WebSocket-Key: short", WEBSOCKET[3]], None)])
def test_no_other_upgrade_is_passed_on(world, method, version, fields, body):
    response = world.call(method, version=version, fields=fields, body=body)
    assert response.status == 200
    seen = world.upstream.last()
    assert "upgrade" not in seen.fields and "connection" not in seen.fields and "http2-settings" not in seen.fields
    world.upstream.answer = lambda exchange, request: exchange.send(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
    assert world.call(method, version=version, fields=fields, body=body).code == "upstream-malformed"


def test_a_web_page_opens_no_websocket(world):
    response = world.call(fields=[*WEBSOCKET, "Origin: https://evil.test"])
    assert response.code == "browser-request-refused"
    assert not world.upstream.requests


@pytest.mark.parametrize("what", ["authorization", "connection", "disabled"])
def test_revocation_cuts_a_running_websocket(world, what):
    world.upstream.answer = echo
    made = world.daemon.connect(alias=f"ws-{what}")
    caller = world.daemon.authorize(made["id"])
    client, _ = upgraded(world, connection=made["id"], token=caller["token"])
    with client:
        client.send(b"x")
        assert client.reader.exactly(1) == b"x"
        began = time.monotonic()
        if what == "disabled":
            ok(world.daemon.api("PATCH", f"/api/v1/connections/{made['id']}", {"enabled": False}))
        else:
            ok(world.daemon.api("DELETE", f"/api/v1/{what}s/{(caller if what == 'authorization' else made)['id']}"))
        assert client.is_closed()
        assert time.monotonic() - began < WITHIN


def test_a_websocket_is_in_log_and_metrics(world):
    world.upstream.answer = echo
    client, _ = upgraded(world, path="/logged-socket")
    with client:
        client.send(b"x" * 1000)
        client.reader.exactly(1000)

    def line():
        return next((x for x in world.daemon.log() if x.get("path") == "/logged-socket"), None)

    logged = until(line, what="the access line")
    assert (logged["status"], logged["tunnel"]) == (101, "websocket")
    assert logged["bytes_in"] > 1000 and logged["bytes_out"] > 1000 and logged["connection"] == world.connection["id"]
    page = world.daemon.api("GET", "/metrics").body.decode()
    assert 'postern_tunnels_total{kind="websocket"}' in page and 'postern_requests_total{class="1xx"}' in page


def test_a_real_websocket_client_talks_through_a_tunnel(world):
    modules = os.environ.get("POSTERN_NODE_MODULES", "")
    assert os.path.isdir(modules), "POSTERN_NODE_MODULES must name the installed modules; scripts/test does it"

    def unmasked(exchange, request):
        exchange.send(grant(request))
        reader = exchange.reader
        while True:
            first, size = reader.exactly(2)
            mask = reader.exactly(4)
            payload = bytes(b ^ mask[i % 4] for i, b in enumerate(reader.exactly(size & 0x7F)))
            exchange.send(frame(payload, first & 0x0F))
            if first & 0x0F == 8:
                exchange.close()
                return

    world.upstream.answer = unmasked
    done = subprocess.run(
        ["node", str(Path(__file__).parent / "node" / "calls.js"), "undici_websocket", world.daemon.proxy, "api", world.token],
        capture_output=True, text=True, timeout=60, env={"PATH": os.environ["PATH"], "NODE_PATH": modules})
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"status": 101, "body": "hello from undici"}
    assert world.upstream.last().fields.get("authorization") == f"Bearer {SECRET}"


# --- server-sent events: the next one is made only when the last one has arrived
EVENTS = [f"id: {n}\ndata: event {n}\n\n".encode() for n in range(20)]


def events(framing, confirmed):
    """Sends one event after the other, each when the caller has confirmed the one before."""
    def run(exchange, _):
        head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n"
        if framing == "length":
            head += f"Content-Length: {sum(map(len, EVENTS))}\r\n"
        elif framing == "chunked":
            head += "Transfer-Encoding: chunked\r\n"
        exchange.send(head + "\r\n")
        for n, event in enumerate(EVENTS):
            assert confirmed[n].wait(20), "the event before did not arrive"
            exchange.send(f"{len(event):x}\r\n".encode() + event + b"\r\n" if framing == "chunked" else event)
        if framing == "chunked":
            exchange.send("0\r\n\r\n")
        elif framing == "close":
            exchange.close()
    return run


def read_events(client, confirmed, chunked):
    confirmed[0].set()
    for n, event in enumerate(EVENTS):
        if chunked:
            assert int(client.reader.until(b"\r\n"), 16) == len(event)
        assert client.reader.exactly(len(event)) == event
        if chunked:
            assert client.reader.exactly(2) == b"\r\n"
        confirmed[n + 1].set()


@pytest.mark.parametrize("framing", ["chunked", "length", "close"])
@pytest.mark.parametrize("way", ["HTTP/1.1", "HTTP/1.0", "tunnel"])
def test_each_event_arrives_before_the_next_is_sent(world, framing, way):
    confirmed = [threading.Event() for _ in range(len(EVENTS) + 1)]
    world.upstream.answer = events(framing, confirmed)
    with tunnel(world) if way == "tunnel" else world.client() as client:
        if way == "tunnel":
            client.send("GET /events HTTP/1.1\r\nHost: api.test\r\nAccept: text/event-stream\r\n\r\n")
        else:
            client.send(world.head(path="/events", version=way, fields=["Accept: text/event-stream"]))
        head = client.head()
        assert head.status == 200 and head.fields.get("content-type") == "text/event-stream"
        read_events(client, confirmed, "transfer-encoding" in head.fields)
    assert world.upstream.last().fields.get("accept") == "text/event-stream"


def test_a_long_poll_is_answered_when_there_is_something_to_say(world):
    asked, news = threading.Event(), threading.Event()

    def waits(exchange, _):
        asked.set()
        assert news.wait(20)
        exchange.send(answer(b"news"))

    world.upstream.answer = waits
    with world.client() as client:
        client.send(world.head(path="/poll"))
        assert asked.wait(20)
        news.set()
        assert client.response().body == b"news"


# --- requests
def test_pieces_of_an_upload_of_unknown_length_arrive_as_they_are_sent_and_are_answered_meanwhile(world):
    world.upstream.lazy = True
    pieces = [os.urandom(size) for size in (1, 100, 20_000, 3, 70_000)]

    def echoes(exchange, request):
        assert request.fields.get("transfer-encoding") == "chunked"
        exchange.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while size := int(exchange.reader.until(b"\r\n"), 16):
            data = exchange.reader.exactly(size)
            exchange.reader.exactly(2)
            exchange.send(f"{size:x}\r\n".encode() + data + b"\r\n")
        exchange.reader.until(b"\r\n")
        exchange.send("0\r\n\r\n")

    world.upstream.answer = echoes
    with world.client() as client:
        client.send(world.head("POST", "/upload", fields=["Transfer-Encoding: chunked"]))
        client.send(f"{len(pieces[0]):x}\r\n".encode() + pieces[0] + b"\r\n")
        assert client.head().status == 200
        for n, piece in enumerate(pieces):
            got = b""
            while len(got) < len(piece):
                size = int(client.reader.until(b"\r\n"), 16)
                got += client.reader.exactly(size)
                client.reader.exactly(2)
            assert got == piece
            if n + 1 < len(pieces):  # sent only now
                client.send(f"{len(pieces[n + 1]):x}\r\n".encode() + pieces[n + 1] + b"\r\n")
        client.send("0\r\n\r\n")
        assert client.reader.until(b"\r\n\r\n") == b"0\r\n\r\n"


@pytest.mark.parametrize("framing", ["length", "chunked", "none"])
def test_a_caller_that_has_ended_its_writing_gets_its_answer(world, framing):
    with world.client() as client:
        if framing == "none":
            client.send(world.head())
        elif framing == "length":
            client.send(world.head("POST", body=b"all of it"))
        else:
            client.send(world.head("POST", fields=["Transfer-Encoding: chunked"]) + b"9\r\nall of it\r\n0\r\n\r\n")
        client.sock.shutdown(socket.SHUT_WR)
        assert client.response().body == b"hello"
    assert world.upstream.last().body == (b"" if framing == "none" else b"all of it")


# --- what is not touched, and what is dropped
@pytest.mark.parametrize("coding,body", [
    ("gzip", gzip.compress(b"text " * 1000)), ("br", b"\x1b\x0e\x00\xf8\x45\x12\x23" + bytes(range(256))),
    ("zstd", b"\x28\xb5\x2f\xfd" + bytes(range(256))), ("gzip, br", os.urandom(5000))])
def test_coded_bodies_go_through_as_they_are(world, coding, body):
    world.upstream.answer = answer(body, "200 OK", f"Content-Encoding: {coding}", "Vary: Accept-Encoding")
    response = world.call("POST", fields=["Accept-Encoding: gzip, br, zstd", f"Content-Encoding: {coding}"], body=body)
    assert response.body == body and response.fields.get("content-encoding") == coding
    seen = world.upstream.last()
    assert seen.body == body and seen.fields.get("content-encoding") == coding
    assert seen.fields.get("accept-encoding") == "gzip, br, zstd"


def test_trailers_end_here_in_both_directions(world):
    world.upstream.lazy = True
    seen = {}

    def with_trailers(exchange, request):
        assert exchange.reader.until(b"0\r\n") == b"4\r\nbody\r\n0\r\n"
        seen["trailers"] = exchange.reader.until(b"\r\n")
        exchange.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
                      "4\r\ndata\r\n0\r\nX-Sum: 1\r\n\r\n")

    world.upstream.answer = with_trailers
    with world.client() as client:
        client.send(world.head("POST", fields=["Transfer-Encoding: chunked", "Trailer: X-Sum", "TE: trailers"]) +
                    b"4\r\nbody\r\n0\r\nX-Sum: 1\r\n\r\n")
        head = client.head()
        assert "trailer" not in head.fields
        assert client.reader.until(b"0\r\n") == b"4\r\ndata\r\n0\r\n"
        assert client.reader.until(b"\r\n") == b"\r\n"
    request = world.upstream.last()
    assert seen["trailers"] == b"\r\n" and "trailer" not in request.fields and "te" not in request.fields
