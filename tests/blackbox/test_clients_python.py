"""Python's own clients, as a workflow step would use them."""
import urllib.request

import pytest
import requests
from kit import SECRET
from kit.http1 import basic
from kit.upstream import answer


@pytest.fixture
def session(world):
    with requests.Session() as session:
        session.trust_env = False
        session.proxies = {"http": f"http://api:{world.token}@{world.daemon.proxy}"}
        yield session


def test_requests(world, session):
    assert session.get("http://api.test/v1", params={"q": "ä b"}).text == "hello"
    assert world.upstream.last().fields.all("authorization") == [f"Bearer {SECRET}"]
    assert world.upstream.last().target == "/v1?q=%C3%A4+b"


def test_requests_keeps_its_connection(world, session):
    for _ in range(50):
        assert session.get("http://api.test/").status_code == 200
    assert len(world.upstream.requests) == 50


def test_requests_uploads_a_generator(world, session):
    # requests 2.28 leaves the proxy's own fields out of a request that it sends in chunks, so they are given by hand.
    field = {"Proxy-Authorization": basic("api", world.token)}
    assert session.post("http://api.test/", data=(b"x" * 1000 for _ in range(100)), headers=field).ok
    assert world.upstream.last().body == b"x" * 100_000


def test_requests_uploads_a_file_form(world, session):
    assert session.post("http://api.test/", files={"f": ("a.txt", b"content")}).ok
    assert b"content" in world.upstream.last().body


def test_requests_streams_an_answer(world, session):
    world.upstream.answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n"
    with session.get("http://api.test/", stream=True) as response:
        assert b"".join(response.iter_content(2)) == b"abcdef"


def test_requests_sees_a_cut_answer(world, session):
    def short(exchange, _):
        exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        exchange.cut()

    world.upstream.answer = short
    with pytest.raises(requests.exceptions.RequestException):
        session.get("http://api.test/").content  # noqa: B018
        raise AssertionError("a cut answer looked whole")


def test_requests_follows_a_redirect_through_us(world, session):
    world.upstream.answer = lambda exchange, request: exchange.send(
        answer(b"there") if request.target == "/b" else answer(b"", "302 Found", "Location: https://api.test/b"))
    assert session.get("http://api.test/a").text == "there"
    assert [r.fields.get("authorization") for r in world.upstream.requests] == [f"Bearer {SECRET}"] * 2


def test_requests_reads_our_problem(world, session):
    response = session.get("http://api.test/", headers={"X-Connection-Id": "nobody"})
    assert (response.status_code, response.json()["code"]) == (403, "connection-unavailable")


def test_urllib(world):
    proxy = urllib.request.ProxyHandler({"http": f"http://api:{world.token}@{world.daemon.proxy}"})
    with urllib.request.build_opener(proxy).open("http://api.test/v1", timeout=20) as response:
        assert response.read() == b"hello"
    assert world.upstream.last().fields.get("authorization") == f"Bearer {SECRET}"
