"""run --dev: callers without tokens, on loopback only, and loud about it."""
import pytest
from conftest import world_settings
from kit import SECRET, until
from kit.http1 import Client


@pytest.fixture(scope="module")
def opened(make_daemon, make_upstream, ca):
    upstream = make_upstream()
    daemon = make_daemon(world_settings(upstream, ca)).init().start("--dev")
    daemon.connect(alias="api")
    return daemon, upstream


def send(daemon, text):
    with Client(daemon.proxy) as client:
        client.send(text)
        return client.response()


def test_a_caller_needs_no_token(opened):
    daemon, upstream = opened
    response = send(daemon, "GET http://api.test/ HTTP/1.1\r\nHost: api.test\r\nX-Connection-Id: api\r\n\r\n")
    assert response.status == 200
    assert upstream.last().fields.get("authorization") == f"Bearer {SECRET}"


def test_there_is_no_base_url_mode(opened):
    daemon, upstream = opened
    before = len(upstream.requests)
    response = send(daemon, f"GET /c/api/ HTTP/1.1\r\nHost: {daemon.proxy}\r\n\r\n")
    assert response.status in (400, 403)
    assert len(upstream.requests) == before


def test_the_admin_api_still_needs_one(opened):
    assert opened[0].api("GET", "/api/v1/connections", token=False).status == 401


def test_a_web_page_is_still_refused(opened):
    response = send(opened[0], "GET http://api.test/ HTTP/1.1\r\nHost: api.test\r\nX-Connection-Id: api\r\n"
                               "Origin: https://evil.test\r\n\r\n")
    assert response.code == "browser-request-refused"


def test_every_start_says_so(opened):
    until(lambda: any("open" in str(line) for line in opened[0].log()), what="a line about open callers")


def test_open_callers_off_loopback_are_refused(make_daemon):
    daemon = make_daemon({"listen": {"proxy": "0.0.0.0:0"}, "callers": {"mode": "open"}, "insecure_listen": True})
    result = daemon.verb("run", timeout=20)
    assert result.returncode == 78
    assert "open" in result.stderr
