"""CONNECT: what is decided before the 200, the requests inside, the bytes that pass, and how a tunnel ends."""
import http.client
import json
import os
import shutil
import socket
import ssl
import struct
import subprocess
import threading

import pytest
from conftest import World, world_settings
from kit import SECRET, row, until
from kit.http1 import Client, Reader, basic

PORT = 8080  # any but 443: requests come out of such a tunnel


class Plain:
    """A server without TLS: every connection is a socket that the test takes."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(20)
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]

    def accept(self):
        sock, _ = self.listener.accept()
        sock.settimeout(20)
        return sock

    def nobody_came(self):
        self.listener.settimeout(0)
        try:
            self.listener.accept()
        except BlockingIOError:
            return True
        finally:
            self.listener.settimeout(20)
        return False


@pytest.fixture(scope="module")
def plain():
    server = Plain()
    yield server
    server.listener.close()


@pytest.fixture(scope="module")
def _road(make_daemon, make_upstream, ca, plain):
    upstream = make_upstream()
    settings = world_settings(upstream, ca, **{
        "api.test:8080": upstream, "api.test:8443": upstream, "open.test:443": upstream, "open.test:8443": upstream,
        "raw.test:443": plain, "raw.test:9443": plain, "other.test:443": upstream, "third.test:443": upstream,
        "third.test:8443": upstream})
    settings["egress"] = {"allow": ["open.test", "open.test:8443", "raw.test", "raw.test:9443", "no-such-name.invalid",
                                    "10.0.0.1:443", "localhost:443", "localhost:8443"]}
    world = World(make_daemon(settings), upstream, ca)
    world.everywhere = world.daemon.connect(alias="everywhere", config={
        "hosts": ["api.test", "api.test:8080", "api.test:8443", "third.test", "third.test:8443"]})
    world.token = world.daemon.token(world.connection["id"], world.everywhere["id"])
    yield world
    assert world.daemon.stop() == 0, world.daemon.log_file.read_text()[-4000:]


@pytest.fixture
def road(_road):
    _road.upstream.reset()
    return _road


def connect(road, target, *, user="-", token=None, version="HTTP/1.1", named=True, fields=(), more=b""):
    """The bytes of a CONNECT, with a Host if it is `named`, and of what is sent with it."""
    lines = [f"CONNECT {target} {version}"]
    if named:
        lines.append(f"Host: {target}")
    if token is not False:
        lines.append(f"Proxy-Authorization: {basic(user, token or road.token)}")
    return ("\r\n".join([*lines, *fields]) + "\r\n\r\n").encode() + more


def opened(road, target, **options):
    """A client inside a tunnel."""
    client = road.client()
    client.send(connect(road, target, **options))
    answer = client.head()
    assert answer.status == 200, answer.raw
    assert "content-length" not in answer.fields and "transfer-encoding" not in answer.fields
    return client


def inside(road, target=f"api.test:{PORT}", *, path="/", method="GET", host=None, fields=(), **options):
    """One request with these fields in a tunnel of its own, and its answer."""
    with opened(road, target, **options) as client:
        client.send(request(target, path, method, host=host, fields=fields))
        return client.response(method)


def request(target, path="/", method="GET", *, host=None, fields=()):
    return "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {host or target}", *fields]) + "\r\n\r\n"


def refused(road, data):
    response, closed = road.refused(data)
    assert closed, "what follows a refused CONNECT is not HTTP"
    return response.status, response.code


def line_of(road, at_least=0, **wanted):
    """The access line of a CONNECT; `at_least`: so many bytes came in."""
    def found():
        lines = [x for x in road.daemon.log() if x.get("method") == "CONNECT" and x["bytes_in"] >= at_least and
                 all(x.get(k) == v for k, v in wanted.items())]
        return lines and lines[-1]
    return until(found, what=f"an access line with {wanted}")


# --- requests inside
@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/1.0"])
@pytest.mark.parametrize("named", [True, False], ids=["with-host", "without-host"])
def test_every_shape_of_connect_opens_a_tunnel_that_requests_come_out_of(road, version, named):
    response = inside(road, user="everywhere", version=version, named=named, path="/v1/things?a=b")
    assert response.status == 200 and response.body == b"hello"
    seen = road.upstream.last()
    assert seen.start == "GET /v1/things?a=b HTTP/1.1"
    assert seen.fields.all("authorization") == [f"Bearer {SECRET}"]
    assert seen.fields.get("host") == f"api.test:{PORT}"


def test_port_80_is_tls_to_443(road):
    response = inside(road, "api.test:80", user="api", host="api.test")
    assert response.status == 200
    assert road.upstream.last().fields.get("host") == "api.test"


def test_the_internal_suffix_works_in_a_tunnel(road):
    target = "api.test.postern.internal:80"
    assert inside(road, target, user="api", host="api.test.postern.internal").status == 200
    assert road.upstream.last().fields.get("host") == "api.test"


def test_many_requests_go_through_one_tunnel_on_one_upstream_connection(road):
    with opened(road, f"api.test:{PORT}", user="everywhere") as client:
        for i in range(5):
            client.send(request(f"api.test:{PORT}", f"/{i}"))
            assert client.response().status == 200
        client.send(request(f"api.test:{PORT}", "/body", "POST", fields=["Content-Length: 5"]) + "hello")
        assert client.response("POST").status == 200
    assert [r.target for r in road.upstream.requests] == ["/0", "/1", "/2", "/3", "/4", "/body"]
    assert road.upstream.last().body == b"hello"


def test_requests_may_be_sent_ahead(road):
    with opened(road, f"api.test:{PORT}", user="everywhere") as client:
        client.send("".join(request(f"api.test:{PORT}", f"/{i}") for i in range(3)))
        assert [client.response().status for _ in range(3)] == [200, 200, 200]


def test_bytes_that_come_with_the_connect_are_the_tunnels_first(road):
    early = request(f"api.test:{PORT}", "/early").encode()
    with road.client() as client:
        client.send(connect(road, f"api.test:{PORT}", user="everywhere", more=early))
        assert client.head().status == 200
        assert client.response().body == b"hello"
    assert road.upstream.last().target == "/early"


def test_a_request_names_its_own_connection_over_that_of_the_connect(road):
    other = road.daemon.connect(alias="second", value={"token": "second-secret"},
                                config={"hosts": [f"api.test:{PORT}"]})
    token = road.daemon.token(road.everywhere["id"], other["id"])
    with opened(road, f"api.test:{PORT}", user="everywhere", token=token) as client:
        for field, secret in (([], SECRET), (["X-Connection-Id: second"], "second-secret"), ([], SECRET)):
            client.send(request(f"api.test:{PORT}", fields=field))
            assert client.response().status == 200
            assert road.upstream.last().fields.get("authorization") == f"Bearer {secret}"


def test_the_connect_may_name_it_by_field(road):
    with road.client() as client:
        client.send(connect(road, f"api.test:{PORT}", fields=["X-Connection-Id: everywhere"]))
        assert client.head().status == 200
        client.send(request(f"api.test:{PORT}"))
        response = client.response()
    assert response.status == 200
    assert road.upstream.last().fields.get("authorization") == f"Bearer {SECRET}"


def test_without_a_name_the_default_for_the_host_is_taken(road):
    assert inside(road, token=road.daemon.token(road.everywhere["id"], default_for=["api.test"])).status == 200
    assert road.upstream.last().fields.get("authorization") == f"Bearer {SECRET}"


def test_without_any_name_the_request_inside_is_refused_and_the_tunnel_goes_on(road):
    with opened(road, f"api.test:{PORT}") as client:
        client.send(request(f"api.test:{PORT}"))
        response = client.response()
        assert (response.status, response.code) == (400, "connection-id-missing")
        client.send(request(f"api.test:{PORT}", fields=["X-Connection-Id: everywhere"]))
        assert client.response().status == 200


def test_what_a_request_inside_says_about_the_caller_is_for_nobody(road):
    fields = [f"Proxy-Authorization: {basic('api', 'pst_nonsense')}", "Authorization: Bearer mine"]
    assert inside(road, user="everywhere", fields=fields).status == 200
    seen = road.upstream.last()
    assert b"proxy-auth" not in seen.raw.lower() and b"mine" not in seen.raw


def test_base_url_mode_is_a_path_like_any_other(road):
    assert inside(road, user="everywhere", path="/c/api/v1").status == 200
    assert road.upstream.last().target == "/c/api/v1"


def test_an_absolute_target_of_the_same_place_is_fine(road):
    assert inside(road, user="everywhere", path=f"http://api.test:{PORT}/abs?x").status == 200
    assert road.upstream.last().target == "/abs?x"


def test_connections_of_other_paths_and_methods_are_judged_anew(road):
    token = road.daemon.token(road.everywhere["id"], methods=["GET"])
    with opened(road, f"api.test:{PORT}", user="everywhere", token=token) as client:
        client.send(request(f"api.test:{PORT}"))
        assert client.response().status == 200
        client.send(request(f"api.test:{PORT}", method="POST", fields=["Content-Length: 0"]))
        assert client.response("POST").code == "destination-not-allowed"


def test_a_redirect_comes_back_in_the_form_that_the_caller_used(road):
    road.upstream.answer = b"HTTP/1.1 302 Found\r\nLocation: https://api.test:8080/next\r\nContent-Length: 0\r\n\r\n"
    assert inside(road, user="everywhere").fields.get("location") == f"http://api.test:{PORT}/next"


# --- refused inside
@pytest.mark.parametrize("host", ["other.test", f"other.test:{PORT}", "api.test:8081", "api.test:80", "127.0.0.1"])
@row("malformed-request")
def test_a_host_that_is_not_the_tunnels_is_refused(road, host):
    with opened(road, f"api.test:{PORT}", user="everywhere") as client:
        client.send(request(f"api.test:{PORT}", host=host) + request(f"api.test:{PORT}", "/smuggled"))
        response = client.response()
        assert (response.status, response.code) == (400, "malformed-request")
        assert client.is_closed()
    assert not road.upstream.requests


@pytest.mark.parametrize("target", ["http://other.test:8080/", "http://api.test/", "https://api.test/",
                                    "http://api.test:8443/", "ftp://api.test:8080/", "nonsense"])
def test_an_absolute_target_elsewhere_is_refused(road, target):
    response = inside(road, user="everywhere", path=target)
    assert (response.status, response.code) == (400, "malformed-request")
    assert not road.upstream.requests


def test_a_tunnel_within_a_tunnel_is_refused(road):
    with opened(road, f"api.test:{PORT}", user="everywhere") as client:
        client.send(connect(road, f"api.test:{PORT}", more=request(f"api.test:{PORT}", "/smuggled").encode()))
        response = client.response()
        assert (response.status, response.code) == (403, "tunnel-not-supported")
        assert client.is_closed()
    assert not road.upstream.requests


@pytest.mark.parametrize("field", ["Origin: https://evil.test", "Sec-Fetch-Site: cross-site"])
def test_no_web_page_drives_a_tunnel(road, field):
    assert inside(road, user="everywhere", fields=[field]).code == "browser-request-refused"
    assert refused(road, connect(road, f"api.test:{PORT}", fields=[field])) == (403, "browser-request-refused")


@pytest.mark.parametrize("bytes_", [
    b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: api.test\r\nHost: api.test\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x00\x00\x00", b"SSH-2.0-client\r\n",
    b"POST / HTTP/1.1\r\nHost: api.test:8080\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"])
def test_the_parser_is_as_strict_inside(road, bytes_):
    with opened(road, f"api.test:{PORT}", user="everywhere") as client:
        client.send(bytes_)
        assert client.response().status in (400, 505)
        assert client.is_closed()
    assert not road.upstream.requests


# --- refused before any 200
def test_a_caller_without_a_valid_token_opens_nothing(road):
    for token in (False, "pst_nonsense"):
        with road.client() as client:
            client.send(connect(road, f"api.test:{PORT}", token=token, more=b"GET / HTTP/1.1\r\n\r\n"))
            response = client.response()
            assert (response.status, response.code) == (407, "caller-unauthenticated")
            assert response.fields.get("proxy-authenticate") == 'Basic realm="postern"'
            assert client.is_closed()


@pytest.mark.parametrize("port", [443, PORT])
@pytest.mark.parametrize("how", ["field", "user"])
def test_a_connection_that_the_caller_may_not_use_is_refused_with_the_code_it_would_get(road, port, how):
    def tried(name, token=None):
        named = {"fields": [f"X-Connection-Id: {name}"]} if how == "field" else {"user": name}
        return refused(road, connect(road, f"api.test:{port}", token=token, **named))

    assert tried("nobody") == (403, "connection-unavailable")
    foreign = road.daemon.connect(alias=f"foreign-{port}-{how}")
    assert tried(foreign["id"]) == (403, "connection-unavailable")
    disabled = road.daemon.connect(alias=f"disabled-{port}-{how}", config={"hosts": [f"api.test:{port}"]})
    token = road.daemon.token(disabled["id"])
    answer = road.daemon.api("PATCH", f"/api/v1/connections/{disabled['id']}", {"enabled": False})
    assert answer.status == 200, answer.body
    assert tried(disabled["id"], token) == (403, "connection-revoked")
    assert tried("not!an!id") == (400, "malformed-request")
    assert not road.upstream.requests


@pytest.mark.parametrize("port", [443, 9000])
def test_a_connection_named_by_field_must_lead_there(road, port):
    data = connect(road, f"other.test:{port}", fields=["X-Connection-Id: everywhere"])
    assert refused(road, data) == (403, "destination-not-allowed")


def test_a_runs_default_that_does_not_lead_there_is_refused_on_443(road):
    assert refused(road, connect(road, "other.test:443", user="everywhere")) == (403, "destination-not-allowed")


@row("tunnel-not-supported")
@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/1.0"])
@pytest.mark.parametrize("user", ["-", "api"])
def test_port_443_without_interception_and_egress_is_refused_before_any_200(road, version, user):
    hello = client_hello("api.test")
    data = connect(road, "api.test:443", user=user, version=version, more=hello)
    assert refused(road, data) == (403, "tunnel-not-supported")
    assert not road.upstream.requests and road.upstream.accepted == 0


def test_a_host_that_the_token_does_not_allow_is_refused(road):
    token = road.daemon.token(road.everywhere["id"], hosts=["third.test"])
    assert refused(road, connect(road, f"api.test:{PORT}", token=token)) == (403, "destination-not-allowed")
    assert refused(road, connect(road, "open.test:443", token=token)) == (403, "destination-not-allowed")


@row("destination-address-prohibited")
@pytest.mark.parametrize("target", [
    "127.0.0.1:443", "127.0.0.1:22", "10.0.0.1:443", "169.254.169.254:80", "[::1]:443", "[::ffff:10.0.0.1]:8080",
    "192.168.1.1:9000", "0.0.0.0:443", "{proxy}", "{admin}"])
def test_a_tunnel_to_a_prohibited_address_is_refused(road, target):
    target = target.replace("{proxy}", road.daemon.proxy).replace("{admin}", road.daemon.admin)
    assert refused(road, connect(road, target)) == (403, "destination-address-prohibited")


def test_who_asks_for_a_metadata_service_is_not_told_to_allow_it(road):
    told, _ = road.refused(connect(road, "169.254.169.254:80"))
    assert (told.status, told.code) == (403, "destination-address-prohibited")
    assert "may never be dialled" in told.json()["detail"] and "upstream.hosts" not in told.json()["detail"]


def test_a_name_of_a_prohibited_address_is_refused_before_the_200_where_bytes_would_pass(road):
    assert refused(road, connect(road, "localhost:443")) == (403, "destination-address-prohibited")


@pytest.mark.parametrize("fields", [["Content-Length: 5"], ["Transfer-Encoding: chunked"],
                                    ["Content-Length: 5", "Transfer-Encoding: chunked"], ["Content-Length: x"]])
@row("malformed-request")
def test_a_connect_with_a_body_is_refused(road, fields):
    smuggled = request("api.test", "/smuggled").encode()
    data = connect(road, f"api.test:{PORT}", user="everywhere", fields=fields, more=b"hello" + smuggled)
    assert refused(road, data) == (400, "malformed-request")
    assert not road.upstream.requests


def test_a_connect_that_says_it_has_no_body_is_fine(road):
    with road.client() as client:
        client.send(connect(road, f"api.test:{PORT}", user="everywhere", fields=["Content-Length: 0"]))
        assert client.head().status == 200


@pytest.mark.parametrize("target", ["api.test", "api.test:", "api.test:0", "api.test:99999", "api.test:+80", ":8080",
                                    "user@api.test:8080", "http://api.test:8080", "http://api.test:8080/", "/", "*",
                                    "api.test:8080/x", "api.test:8080?x", "0x7f.1:443", "api.test:08080", "[::1:8080"])
@row("malformed-request")
def test_a_target_that_is_not_host_and_port_is_refused(road, target):
    data = connect(road, target, named=False, fields=["Host: api.test"])
    assert refused(road, data) == (400, "malformed-request")


def test_bytes_after_a_refused_connect_are_never_read_as_a_request(road):
    smuggled = road.head(path="/smuggled")
    for data in (connect(road, "api.test:443", more=smuggled), connect(road, f"api.test:{PORT}", token=False, more=smuggled),
                 connect(road, "10.0.0.1:443", more=smuggled)):
        with road.client() as client:
            client.send(data)
            assert client.response().status in (403, 407)
            assert client.is_closed()
    assert not road.upstream.requests


# --- passed through
def tls(client, ca, host):
    context = ssl.create_default_context(cafile=str(ca.pem))
    return context.wrap_socket(client.sock, server_hostname=host)


def client_hello(host):
    """What a TLS client sends first."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    pending = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname=host)
    with pytest.raises(ssl.SSLWantReadError):
        pending.do_handshake()
    return outgoing.read()


@pytest.mark.parametrize("port", [443, 8443])
@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/1.0"])
def test_tls_to_a_host_that_egress_allows_passes_unseen(road, ca, port, version):
    client = opened(road, f"open.test:{port}", version=version)
    # The certificate is the upstream's own: its names do not hold open.test.
    context = ssl.create_default_context(cafile=str(ca.pem))
    context.check_hostname = False
    with context.wrap_socket(client.sock, server_hostname="open.test") as secure:
        secure.sendall(b"GET /through HTTP/1.1\r\nHost: open.test\r\nAuthorization: Bearer mine\r\n\r\n")
        reader = Reader(secure)
        assert reader.body(reader.head()).body == b"hello"
    seen = road.upstream.last()
    assert seen.target == "/through" and seen.fields.all("authorization") == ["Bearer mine"]
    assert SECRET.encode() not in seen.raw and b"via" not in seen.raw.lower()
    line = line_of(road, host="open.test", port=port, tunnel="passed", status=200)
    assert line["bytes_in"] > 100 and line["bytes_out"] > 100 and line["authorization"].startswith("tok_")
    assert "code" not in line and not line["aborted"]


def test_a_runs_default_stays_out_of_a_host_that_egress_allows(road, plain):
    with opened(road, "raw.test:443", user="api"), plain.accept():
        pass


def test_a_connection_named_by_field_is_never_passed_through(road, plain):
    made = road.daemon.connect(alias="raw", config={"hosts": ["raw.test"]})
    token = road.daemon.token(made["id"])
    data = connect(road, "raw.test:443", token=token, fields=["X-Connection-Id: raw"])
    assert refused(road, data) == (403, "tunnel-not-supported")


@pytest.mark.parametrize("bound", [{"methods": ["GET"]}, {"paths": ["/v1"]}])
def test_a_token_that_is_bound_to_methods_or_paths_passes_nothing_unseen(road, bound):
    token = road.daemon.token(road.everywhere["id"], **bound)
    assert refused(road, connect(road, "open.test:443", token=token)) == (403, "destination-not-allowed")


def test_bytes_go_both_ways_and_each_end_is_passed_on(road, plain):
    with opened(road, "raw.test:443", more=b"early") as client, plain.accept() as server:
        assert server.recv(5, socket.MSG_WAITALL) == b"early"
        server.sendall(b"first word")
        assert client.reader.exactly(10) == b"first word"
        client.send(b"x" * 100_000)
        client.sock.shutdown(socket.SHUT_WR)
        assert len(Reader(server).exactly(100_000)) == 100_000
        assert server.recv(1) == b"", "the caller's end"
        server.sendall(b"and then the rest")
        server.shutdown(socket.SHUT_WR)
        assert client.reader.exactly(17) == b"and then the rest"
        assert client.ending() == "closed"
    assert line_of(road, 100_000, host="raw.test", tunnel="passed", aborted=False)["bytes_out"] > 27


def test_much_goes_through_at_the_pace_of_who_reads(road, plain):
    size = 48 << 20
    with opened(road, "raw.test:443") as client, plain.accept() as server:
        threading.Thread(target=lambda: (server.sendall(bytes(size)), server.shutdown(socket.SHUT_WR)), daemon=True).start()
        before = road.daemon.rss()
        got = len(client.reader.exactly(1 << 20))
        assert road.daemon.rss() - before < 16 << 20, "what nobody reads waits with its sender"
        while part := client.sock.recv(1 << 20):
            got += len(part)
        assert got + len(client.reader.buffer) == size


def test_a_reset_is_passed_on_as_one(road, plain):
    with opened(road, "raw.test:443") as client, plain.accept() as server:
        server.sendall(b"x")
        assert client.reader.exactly(1) == b"x"
        server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        server.close()
        assert client.ending() == "reset"


@row("dns-failed")
def test_a_name_that_does_not_resolve_is_told_before_any_200(road):
    status, code = refused(road, connect(road, "no-such-name.invalid:443"))
    assert (status, code) in ((502, "dns-failed"), (504, "dns-timeout"))


# --- TLS that may not pass, and silence, after the 200 of another port
@pytest.mark.parametrize("target,user", [("third.test:8443", "-"), ("api.test:8443", "everywhere")])
def test_tls_that_may_not_pass_gets_an_alert_and_a_log_line(road, ca, target, user):
    host, port = target.split(":")
    client = opened(road, target, user=user)
    with pytest.raises(ssl.SSLError) as caught:
        tls(client, ca, host)
    assert "ACCESS_DENIED" in str(caught.value).upper().replace(" ", "_")
    client.close()
    assert not road.upstream.requests and road.upstream.accepted == 0
    assert line_of(road, host=host, port=int(port), code="tunnel-not-supported")["status"] == 200
    assert any(x.get("event") == "tunnel_refused" and x.get("host") == target for x in road.daemon.log())


def test_an_alert_comes_for_early_tls_too(road):
    with opened(road, "third.test:8443", more=client_hello("third.test")) as client:
        assert client.reader.exactly(7) == b"\x15\x03\x03\x00\x02\x02\x31"
        assert client.is_closed()


def test_tls_that_would_lead_to_a_prohibited_address_gets_an_alert(road):
    with opened(road, "localhost:8443", more=client_hello("localhost")) as client:
        assert client.reader.exactly(7) == b"\x15\x03\x03\x00\x02\x02\x31"
        assert client.is_closed()
    assert line_of(road, host="localhost", port=8443)["code"] == "destination-address-prohibited"


def test_a_tunnel_that_says_nothing_is_closed(road):
    with opened(road, f"api.test:{PORT}", user="everywhere") as client:
        assert client.is_closed()
    assert line_of(road, host="api.test", port=PORT, aborted=True)


# --- how tunnels end
def until_it_ends(sock):
    """By an end or a reset."""
    try:
        while sock.recv(65536):
            pass
    except ConnectionError:
        pass


def running(road, plain, token):
    """Ways to be in a tunnel: passed through, with a request answered, with a request under way."""
    passed = opened(road, "raw.test:443", token=token)
    server = plain.accept()
    idle = opened(road, f"api.test:{PORT}", token=token, user="everywhere")
    idle.send(request(f"api.test:{PORT}"))
    assert idle.response().status == 200
    started = threading.Event()

    def hang(exchange, _):
        started.set()
        exchange.wait_until_peer_leaves()

    road.upstream.answer = hang
    busy = opened(road, f"api.test:{PORT}", token=token, user="everywhere")
    busy.send(request(f"api.test:{PORT}"))
    assert started.wait(20)
    return [passed, idle, busy], server


def test_every_tunnel_ends_when_its_caller_does(road, plain):
    made = road.daemon.authorize(road.everywhere["id"], road.connection["id"])
    clients, server = running(road, plain, made["token"])
    assert road.daemon.api("DELETE", f"/api/v1/authorizations/{made['id']}").status in (200, 204)
    for client in clients:
        until_it_ends(client.sock)
        client.close()
    until_it_ends(server)
    server.close()
    assert refused(road, connect(road, f"api.test:{PORT}", token=made["token"])) == (407, "caller-unauthenticated")


def test_a_tunnel_ends_with_the_connection_that_its_connect_named(road):
    made = road.daemon.connect(alias="short-lived", config={"hosts": [f"api.test:{PORT}"]})
    token = road.daemon.token(made["id"])
    with opened(road, f"api.test:{PORT}", user="short-lived", token=token) as client:
        client.send(request(f"api.test:{PORT}"))
        assert client.response().status == 200
        assert road.daemon.api("DELETE", f"/api/v1/connections/{made['id']}").status == 204
        assert client.is_closed()


def test_a_change_of_the_caller_that_is_no_end_leaves_its_tunnel_alone(road):
    token = road.daemon.token(road.everywhere["id"])
    with opened(road, f"api.test:{PORT}", user="everywhere", token=token) as client:
        client.send(request(f"api.test:{PORT}"))
        assert client.response().status == 200
        assert road.daemon.verb("reload").returncode == 0  # forgets every caller
        client.send(request(f"api.test:{PORT}"))
        assert client.response().status == 200


# --- limits and numbers
def test_a_budget_counts_what_is_inside_and_what_passes(road, plain):
    token = road.daemon.token(road.everywhere["id"], budget={"total": 2})
    with opened(road, f"api.test:{PORT}", user="everywhere", token=token) as client:
        client.send(request(f"api.test:{PORT}"))
        assert client.response().status == 200
    with opened(road, "raw.test:443", token=token), plain.accept():
        pass
    assert refused(road, connect(road, "raw.test:443", token=token)) == (403, "budget-exhausted")
    assert inside(road, user="everywhere", token=token).code == "budget-exhausted"


def test_they_are_counted_in_the_metrics(road, plain):
    def number(name):
        page = road.daemon.api("GET", "/metrics").body.decode()
        return next(float(x.rsplit(" ", 1)[1]) for x in page.splitlines() if x.startswith(name + " "))

    kinds = ['postern_tunnels_total{kind="passed"}', 'postern_tunnels_total{kind="requests"}']
    before = [number(kind) for kind in kinds]
    ended = number("postern_tunnel_seconds_count")
    with opened(road, "raw.test:443"), plain.accept():
        until(lambda: number("postern_open_tunnels") >= 1, what="an open tunnel")
    assert inside(road, user="everywhere").status == 200
    until(lambda: [number(kind) for kind in kinds] == [n + 1 for n in before], what="the counts")
    until(lambda: number("postern_open_tunnels") == 0, what="no open tunnel")
    assert number("postern_tunnel_seconds_count") >= ended + 2


def test_limits_of_requests_under_way_count_what_passes_and_not_what_carries(make_daemon, make_upstream, ca, plain):
    upstream = make_upstream()
    settings = world_settings(upstream, ca, **{"api.test:8080": upstream, "raw.test:443": plain})
    settings |= {"egress": {"allow": ["raw.test"]}, "limits": {"caller_requests": 1, "requests": 2}}
    world = World(make_daemon(settings), upstream, ca)
    connection = world.daemon.connect(alias="port", config={"hosts": ["api.test:8080"]})
    token = world.daemon.token(connection["id"])
    carriers = []
    for _ in range(3):
        client = opened(world, "api.test:8080", user="port", token=token)
        carriers.append(client)
        client.send(request("api.test:8080"))
        assert client.response().status == 200
    with opened(world, "raw.test:443", token=token), plain.accept():
        assert refused(world, connect(world, "raw.test:443", token=token)) == (429, "rate-limited")
        carriers[0].send(request("api.test:8080"))
        assert carriers[0].response().code == "rate-limited"
    for client in carriers:
        client.close()
    assert world.daemon.stop() == 0


def test_a_drain_ends_idle_tunnels_at_once_and_the_others_in_time(make_daemon, make_upstream, ca, plain):
    upstream = make_upstream()
    settings = world_settings(upstream, ca, **{"api.test:8080": upstream, "raw.test:443": plain})
    settings |= {"egress": {"allow": ["raw.test"]}, "shutdown": {"drain": "1s"}}
    world = World(make_daemon(settings), upstream, ca)
    connection = world.daemon.connect(alias="port", config={"hosts": ["api.test:8080"]})
    token = world.daemon.token(connection["id"])
    with opened(world, "api.test:8080", user="port", token=token) as idle, \
            opened(world, "raw.test:443", token=token) as passed, plain.accept():
        idle.send(request("api.test:8080"))
        assert idle.response().status == 200
        world.daemon.signal()
        assert idle.is_closed()
        assert passed.is_closed()
        assert world.daemon.wait() == 0


def test_open_callers_open_tunnels(make_daemon, make_upstream, ca):
    upstream = make_upstream()
    daemon = make_daemon(world_settings(upstream, ca, **{"api.test:8080": upstream})).init().start("--dev")
    daemon.connect(alias="api", config={"hosts": ["api.test:8080"]})
    with Client(daemon.proxy) as client:
        client.send("CONNECT api.test:8080 HTTP/1.1\r\nX-Connection-Id: api\r\n\r\n")
        assert client.head().status == 200
        client.send(request("api.test:8080"))
        assert client.response().status == 200
    assert upstream.last().fields.get("authorization") == f"Bearer {SECRET}"
    daemon.stop()


# --- explain
def test_explain_knows_tunnels(road):
    def told(target, connection=None):
        body = {"method": "CONNECT", "url": target, **({"connection": connection} if connection else {})}
        answer = road.daemon.api("POST", "/api/v1/explain", body)
        assert answer.status == 200, answer.body
        return answer.json()

    assert told("api.test:443")["code"] == "tunnel-not-supported"
    assert told("10.0.0.1:443")["code"] == "destination-address-prohibited"
    passed = told("open.test:443")
    assert passed["outcome"] == "forwarded" and "egress.allow" in json.dumps(passed)
    assert told(f"api.test:{PORT}", "everywhere")["outcome"] == "forwarded"


# --- real clients
def proxy_url(road, user):
    return f"http://{user}:{road.token}@{road.daemon.proxy}"


def environment():
    return {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG")}


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
@pytest.mark.parametrize("options", [["-p"], ["-p", "--proxy1.0"]], ids=["1.1", "1.0"])
def test_curl_tunnels(road, options):
    if "--proxy1.0" in options:
        options = ["-p", "--proxy1.0", road.daemon.proxy, "-U", f"everywhere:{road.token}"]
    else:
        options = ["-p", "-x", proxy_url(road, "everywhere")]
    done = subprocess.run(["curl", "-sS", "-m", "20", *options, f"http://api.test:{PORT}/curl"], capture_output=True,
                          text=True, env=environment())
    assert done.stdout == "hello", done.stderr
    assert road.upstream.last().fields.get("authorization") == f"Bearer {SECRET}"


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_curl_reaches_an_https_host_that_egress_allows(road, ca):
    done = subprocess.run(["curl", "-sS", "-m", "20", "-k", "-x", proxy_url(road, "-"), "https://open.test/curl"],
                          capture_output=True, text=True, env=environment())
    assert done.stdout == "hello", done.stderr


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_curl_is_told_why_a_tunnel_is_refused(road):
    done = subprocess.run(["curl", "-sS", "-m", "20", "-x", proxy_url(road, "-"), "https://api.test/"],
                          capture_output=True, text=True, env=environment())
    assert done.returncode == 56 and "403" in done.stderr


def test_python_tunnels(road):
    host, port = road.daemon.proxy.split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=20)
    connection.set_tunnel("api.test", PORT, headers={"Proxy-Authorization": basic("everywhere", road.token)})
    for path in ("/one", "/two"):
        connection.request("GET", path)
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b"hello")
    connection.close()
    assert [r.target for r in road.upstream.requests] == ["/one", "/two"]
