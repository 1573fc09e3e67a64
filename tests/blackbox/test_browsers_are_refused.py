"""No web page drives the proxy port or the admin port, and neither port drives the other."""
import time

import pytest
from kit import row
from kit.http1 import Client
from kit.nginx import free_port

OWN = {name: f"127.0.0.1:{free_port()}" for name in ("proxy", "admin", "health")}
PORTS = {name: address.split(":")[1] for name, address in OWN.items()}
# Every listener, as a target that somebody might write, or that a name might lead to.
SETTINGS = {
    "listen": {**OWN},
    "egress": {"allow": [f"{host}:{port}" for port in PORTS.values()
                         for host in ("127.0.0.1", "127.0.0.2", "localhost", "[::1]", "[::ffff:127.0.0.1]",
                                      "[64:ff9b::7f00:1]", "0.0.0.0")]},
    "upstream": {"hosts": {f"{name}.test:443": {"resolve": address} for name, address in OWN.items()}},
}


@row("browser-request-refused")
@pytest.mark.parametrize("field", ["Origin: https://evil.test", "Origin: null", "Sec-Fetch-Site: cross-site",
                                   "Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: same-site"])
def test_a_web_pages_request_on_the_proxy_port_is_403(world, field):
    for options in ({}, {"target": "/c/api/", "host": world.daemon.proxy}):
        response = world.call(fields=[field], **options)
        assert (response.status, response.code) == (403, "browser-request-refused")
        assert "access-control-allow-origin" not in response.fields
    assert not world.upstream.requests


def test_sec_fetch_site_none_is_no_web_page(world):
    assert world.call(fields=["Sec-Fetch-Site: none"]).status == 200


@row("browser-request-refused")
@pytest.mark.parametrize("host", ["evil.test", "evil.test:8480", "api.test"])
def test_a_rebound_name_on_the_proxy_port_is_403(world, host):
    response = world.call(target="/c/api/", host=host)
    assert (response.status, response.code) == (403, "browser-request-refused")
    assert not world.upstream.requests


def test_localhost_names_the_proxy_port(world):
    port = world.daemon.proxy.split(":")[1]
    assert world.call(target="/c/api/", host=f"localhost:{port}").status == 200


@pytest.mark.parametrize("headers", [
    {"Host": "evil.test"}, {"Origin": "https://evil.test"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"},
    {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Site": "same-site"},
])
def test_a_browser_attack_on_the_admin_port_is_403(world, headers):
    answer = world.daemon.api("GET", "/api/v1/connections", headers=headers)
    assert answer.status == 403
    assert answer.fields["Content-Type"].startswith("application/problem+json")


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"])
def test_a_form_post_on_the_admin_port_is_403(world, kind):
    answer = world.daemon.api("POST", "/api/v1/connections", b"name=x", headers={"Content-Type": kind})
    assert answer.status == 403


# --- the admin port
def raw(world, text):
    """An answer to bytes that no client would send; by openapi.yaml, too."""
    with Client(world.daemon.admin) as client:
        client.send(text)
        answer = client.response()
        method, target = text.split(" ")[:2]
        world.daemon.looks_right(method, target, answer)
        return answer


@pytest.mark.parametrize("host", [
    "rebound.test", "rebound.test:{port}", "localhost.evil.test:{port}", "127.0.0.1.evil.test:{port}", "localhost",
    "localhost:1", "127.0.0.1", "127.0.0.1:80", "127.0.0.2:{port}", "[::ffff:127.0.0.1]:{port}", "0.0.0.0:{port}", "2130706433:{port}",
    "0x7f.1:{port}", "localhost.:{port}", "evil@localhost:{port}", "localhost:{port}@evil", "localhost:{port}.evil.test",
    "localhost:{port} evil.test", "", ":{port}", "[::1", "[::1]evil:{port}"])
def test_a_host_that_is_not_ours_is_refused(world, host):
    host = host.replace("{port}", PORTS["admin"])
    answer = raw(world, f"GET /api/v1/self HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {world.daemon.admin_token}\r\n\r\n")
    assert (answer.status, answer.code) in ((403, "browser-request-refused"), (400, "malformed-request"))


@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "localhost:{port}", "LOCALHOST:{port}", "[::1]:{port}"])
def test_our_own_names_are_taken(world, host):
    host = host.replace("{port}", PORTS["admin"])
    assert world.daemon.api("GET", "/api/v1/self", headers={"Host": host}).status == 200


@pytest.mark.parametrize("line", [
    "GET http://{admin}/api/v1/self", "GET http://evil.test/api/v1/self", "GET https://{admin}/api/v1/self",
    "CONNECT {admin}", "CONNECT evil.test:443", "OPTIONS *", "GET //{admin}/api/v1/self", "GET api/v1/self"])
def test_the_admin_port_is_no_proxy(world, line):
    line = line.replace("{admin}", world.daemon.admin)
    answer = raw(world, f"{line} HTTP/1.1\r\nHost: {world.daemon.admin}\r\nAuthorization: Bearer {world.daemon.admin_token}\r\n\r\n")
    assert answer.status in (400, 404, 405) and answer.code in ("malformed-request", "not-found", "method-not-allowed")


@pytest.mark.parametrize("path", ["/api/v1/connections", "/api/v1/self", "/livez", "/metrics", "/nothing"])
def test_no_answer_has_a_cors_field(world, path):
    """A preflight of our own origin neither: nobody calls this from another page."""
    origin = f"http://{world.daemon.admin}"
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization",
             "Access-Control-Request-Private-Network": "true"}
    for method, fields in (("OPTIONS", {"Origin": origin, **asked}), ("GET", {"Origin": origin}),
                           ("OPTIONS", {"Origin": "https://evil.test", **asked}), ("GET", {"Origin": "https://evil.test"})):
        answer = world.daemon.api(method, path, headers=fields)
        assert not [name for name in answer.fields if name.lower().startswith(("access-control-", "timing-allow"))]
        assert answer.fields["Cross-Origin-Resource-Policy"] == "same-origin"
        assert method != "OPTIONS" or answer.status in (403, 404, 405)


def test_guessed_tokens_are_slowed_on_their_connection_and_lock_nobody_out(world):
    """The second guess waits 100 ms, the next ones twice as long each. There is no upper bound to look at here."""
    ask = f"GET /api/v1/self HTTP/1.1\r\nHost: {world.daemon.admin}\r\nAuthorization: Bearer "
    guess = ask + "pst_" + "a" * 63 + "\r\n\r\n"
    with Client(world.daemon.admin) as client:
        for wait in (0, 0.1, 0.2, 0.4):
            before = time.monotonic()
            client.send(guess)
            answer = client.response()
            assert (answer.status, answer.code) == (401, "unauthenticated")
            assert time.monotonic() - before >= wait
        # The same client with the right one, and everybody else from that address, are served.
        client.send(f"{ask}{world.daemon.admin_token}\r\n\r\n")
        assert client.response().status == 200
    assert world.daemon.api("GET", "/api/v1/self").status == 200


# --- the proxy port
@row("destination-address-prohibited")
@pytest.mark.parametrize("listener", sorted(OWN))
@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost", "[::1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]",
                                  "0.0.0.0"])
def test_our_own_listeners_are_no_targets(world, listener, host):
    """Not even where egress allows them, for a request with no credential in it, by whatever form of the address."""
    target = f"{host}:{PORTS[listener]}"
    response = world.call(target=f"http://{target}/livez", host=target, connection=None)
    assert response.status in (400, 403) and response.code, response.body
    assert response.code in ("destination-address-prohibited", "destination-not-allowed", "malformed-request")


@row("destination-address-prohibited")
@pytest.mark.parametrize("listener", sorted(OWN))
def test_a_name_that_leads_to_our_own_listener_is_no_target(world, listener):
    """`resolve` allows a private address for a host; the listeners stay forbidden."""
    made = world.daemon.connect(alias=f"own-{listener}-{time.monotonic_ns()}", config={"hosts": [f"{listener}.test"]})
    response = world.call(host=f"{listener}.test", connection=made["id"], token=world.daemon.token(made["id"]))
    assert (response.status, response.code) == (403, "destination-address-prohibited")


@pytest.mark.parametrize("listener", sorted(OWN))
def test_no_tunnel_leads_to_our_own_listener(world, listener):
    """Whether it is refused at once, or opened and what is asked in it refused."""
    target = f"127.0.0.1:{PORTS[listener]}"
    with world.client() as client:
        client.send(world.head("CONNECT", target=target, host=target, connection=None))
        opened = client.response("CONNECT")
        if opened.status == 200:
            client.send(f"GET /livez HTTP/1.1\r\nHost: {target}\r\n\r\n")
            opened = client.response()
        assert opened.status in (400, 403) and opened.code
