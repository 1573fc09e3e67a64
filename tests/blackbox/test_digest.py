"""HTTP Digest: challenges answered to a foreign server (lighttpd), and to a scripted one that does what few servers do."""
import hashlib
import re

import pytest
from conftest import World, world_settings
from kit.lighttpd import Lighttpd
from kit.upstream import answer

USER, PASSWORD = "Mufasa", "Circle of Life"


@pytest.fixture(scope="module")
def lighttpd(leaf, tmp_path_factory):
    server = Lighttpd(tmp_path_factory.mktemp("lighttpd"), *leaf, USER, PASSWORD,
                      {"md5": "MD5", "sha": "SHA-256", "both": "MD5|SHA-256"})
    yield server
    server.stop()


@pytest.fixture(scope="module")
def _places(make_daemon, make_upstream, lighttpd, ca):
    scripted = make_upstream()
    settings = world_settings(scripted, ca, **{"other.test:443": lighttpd})
    world = World(make_daemon(settings), scripted, ca)
    world.all = world.daemon.token("*")
    yield world
    assert world.daemon.stop() == 0, world.daemon.log_file.read_text()[-4000:]


@pytest.fixture
def places(_places):
    """api.test is scripted, other.test is lighttpd; a Digest connection of the test's own goes to both."""
    _places.upstream.reset()
    _places.digest = _places.daemon.connect(
        type="DIGEST", value={"username": USER, "password": PASSWORD}, config={"hosts": ["api.test", "other.test"]})
    return _places


def call(world, method="GET", path="/", **options):
    return world.call(method, path, connection=world.digest["id"], token=world.all, **options)


def parameters(field):
    """Of an Authorization or a challenge, unquoted."""
    return {name: quoted or plain for name, quoted, plain in
            re.findall(r'(\w+\*?)=(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))', field)}


class Service:
    """Asks for Digest and looks at the answers, by the letter of RFC 7616 section 3.4."""

    def __init__(self, *, realm="r", algorithm="SHA-256", qop="auth", password=PASSWORD, more=""):
        self.realm, self.algorithm, self.qop, self.password, self.more = realm, algorithm, qop, password, more
        self.nonces = ["n0"]
        self.counts = []
        self.info = ()  # fields of good answers

    def challenge(self, stale=False):
        return (f'WWW-Authenticate: Digest realm="{self.realm}", nonce="{self.nonces[-1]}", qop="{self.qop}", '
                f'algorithm={self.algorithm}{", stale=true" if stale else ""}{self.more}')

    def hash(self, text):
        name = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}[self.algorithm.replace("-sess", "")]
        return hashlib.new(name, text if isinstance(text, bytes) else text.encode()).hexdigest()

    def is_right(self, request, p):
        first = self.hash(f"{USER}:{self.realm}:{self.password}")
        if self.algorithm.endswith("-sess"):
            first = self.hash(f"{first}:{p['nonce']}:{p['cnonce']}")
        second = f"{request.method}:{p['uri']}"
        if p["qop"] == "auth-int":
            second += ":" + self.hash(request.body)
        wanted = self.hash(f"{first}:{p['nonce']}:{p['nc']}:{p['cnonce']}:{p['qop']}:{self.hash(second)}")
        return p["response"] == wanted and p["uri"] == request.target and p["username"] == USER

    def __call__(self, exchange, request):
        field = request.fields.get("authorization")
        if field is None:
            return exchange.send(answer(b"who?", "401 Unauthorized", self.challenge()))
        p = parameters(field)
        if p["nonce"] != self.nonces[-1]:
            return exchange.send(answer(b"old", "401 Unauthorized", self.challenge(stale=True)))
        if not self.is_right(request, p):
            return exchange.send(answer(b"wrong", "401 Unauthorized", self.challenge()))
        self.counts.append(int(p["nc"], 16))
        exchange.send(answer(b"welcome", "200 OK", *self.info))


@pytest.mark.parametrize("area", ["md5", "sha", "both"])
def test_lighttpd_takes_the_answer(places, area):
    path = f"/{area}/echo.cgi"
    for method, body in (("GET", None), ("POST", b"hello"), ("GET", None), ("POST", b"x" * 60000)):
        response = call(places, method, path, host="other.test", body=body)
        assert response.status == 200, response.body
        assert response.body.decode() == f"{method} {USER} {len(body or b'')}"


def test_lighttpd_takes_a_large_body_that_nobody_holds(places):
    response = call(places, "POST", "/sha/echo.cgi", host="other.test", body=b"x" * 3_000_000)
    assert (response.status, response.body) == (200, f"POST {USER} 3000000".encode())


def test_a_password_that_is_wrong_is_the_callers_to_hear(places, lighttpd):
    assert call(places, path="/both/echo.cgi", host="other.test").status == 200
    lighttpd.set_password("Hakuna Matata")
    lighttpd.stop()
    lighttpd.start()
    try:
        for _ in range(2):
            response = call(places, path="/both/echo.cgi", host="other.test")
            assert response.status == 401
            assert "digest" in response.fields.get("www-authenticate").lower()
    finally:
        lighttpd.set_password(PASSWORD)
        lighttpd.stop()
        lighttpd.start()
    assert call(places, path="/both/echo.cgi", host="other.test").status == 200


def test_the_first_request_holds_nothing_secret_and_the_next_ones_answer_before_they_are_asked(places):
    service = places.upstream.answer = Service()
    for _ in range(3):
        response = call(places, path="/a?b=c")
        assert (response.status, response.body) == (200, b"welcome")
        assert response.fields.get("www-authenticate") is None
    sent = [request.fields.get("authorization") for request in places.upstream.requests]
    assert sent[0] is None and all(sent[1:]) and len(sent) == 4
    assert service.counts == [1, 2, 3]
    assert PASSWORD.encode() not in b"".join(request.raw for request in places.upstream.requests)


def test_no_answer_shows_what_answered_the_challenge(places):
    service = Service()

    def echo(exchange, request):
        field = request.fields.get("authorization")
        if field is None:
            return service(exchange, request)
        exchange.send(answer(b"", "200 OK", f"X-Echo: {field}"))

    places.upstream.answer = echo
    response = call(places)
    proof = parameters(places.upstream.requests[-1].fields.get("authorization"))["response"]
    assert response.status == 200 and "x-echo" in response.fields and proof.encode() not in response.raw


@pytest.mark.parametrize("algorithm", ["MD5", "MD5-sess", "SHA-256", "SHA-256-sess", "SHA-512-256", "SHA-512-256-sess"])
def test_every_algorithm(places, algorithm):
    service = places.upstream.answer = Service(algorithm=algorithm)
    assert [call(places).status for _ in range(2)] == [200, 200]
    assert service.counts == [1, 2]


def test_an_old_nonce_is_replaced_and_the_request_sent_once_more(places):
    service = places.upstream.answer = Service()
    assert call(places).status == 200
    service.nonces.append("n1")
    assert call(places, "PUT", body=b"hello").status == 200
    assert service.counts == [1, 1]
    assert [request.body for request in places.upstream.requests] == [b"", b"", b"hello", b"hello"]


def test_the_next_nonce_is_taken_and_not_shown(places):
    service = places.upstream.answer = Service()
    service.info = ('Authentication-Info: nextnonce="n1"',)
    response = call(places)
    assert response.status == 200
    assert response.fields.get("authentication-info") is None
    service.nonces.append("n1")
    assert call(places).status == 200
    assert service.counts == [1, 1] and len(places.upstream.requests) == 3


def test_a_wrong_password_is_tried_once_a_request(places):
    places.upstream.answer = Service(password="Hakuna Matata")
    for expected in (2, 4):
        response = call(places)
        assert (response.status, response.body) == (401, b"wrong")
        assert len(places.upstream.requests) == expected


def test_a_service_that_never_has_enough_is_asked_three_times_at_most(places):
    def never(exchange, request):
        never.count += 1
        exchange.send(answer(b"no", "401 Unauthorized",
                             f'WWW-Authenticate: Digest realm="r", nonce="{never.count}", qop="auth", stale=true'))

    never.count = 0
    places.upstream.answer = never
    assert call(places).status == 401
    assert never.count == 3


def test_a_body_that_is_not_held_is_sent_once_after_a_head_request_has_asked(places):
    service = places.upstream.answer = Service()
    body = b"x" * 200_000
    assert call(places, "PUT", "/large", body=body).status == 200
    assert [(r.method, len(r.body)) for r in places.upstream.requests] == [("HEAD", 0), ("PUT", len(body))]
    assert call(places, "PUT", "/large", body=body).status == 200
    assert [r.method for r in places.upstream.requests] == ["HEAD", "PUT", "PUT"]
    assert service.counts == [1, 2]


def test_a_service_that_asks_for_nothing_is_sent_nothing(places):
    assert call(places, "PUT", body=b"y" * 200_000).body == b"hello"
    assert all("authorization" not in r.fields for r in places.upstream.requests)


def test_the_body_is_signed_where_the_service_offers_nothing_less(places):
    service = places.upstream.answer = Service(qop="auth-int")
    assert call(places, "POST", body=b"hello").status == 200
    assert call(places, "POST", body=b"x" * 200_000).status == 200  # held now that it is known
    assert call(places).status == 200
    assert service.counts == [1, 2, 3]


@pytest.mark.parametrize("challenge", [
    'Digest realm="r", nonce="1", algorithm=SHA-3000, qop="auth"', 'Digest realm="r", nonce="1", qop="auth-conf"',
    'Basic realm="r"', 'Bearer', 'Digest realm="r"'])
def test_a_challenge_that_cannot_be_answered_is_the_callers(places, challenge):
    places.upstream.answer = answer(b"no", "401 Unauthorized", f"WWW-Authenticate: {challenge}")
    response = call(places)
    assert (response.status, response.fields.get("www-authenticate")) == (401, challenge)
    assert len(places.upstream.requests) == 1


def test_the_strongest_algorithm_is_taken(places):
    weak = Service(algorithm="MD5")

    class Both(Service):
        def challenge(self, stale=False):
            return weak.challenge() + "\r\n" + super().challenge(stale)

    places.upstream.answer = Both()
    assert call(places).status == 200
    assert "algorithm=SHA-256" in places.upstream.requests[-1].fields.get("authorization")


def test_a_realm_holds_in_its_domain(places):
    service = places.upstream.answer = Service(more=', domain="/in https://api.test/also https://else.test/out"')
    assert call(places, path="/in/1").status == 200
    assert call(places, path="/in/2").status == 200
    assert call(places, path="/also").status == 200
    assert len(places.upstream.requests) == 4
    assert call(places, path="/out").status == 200  # asked for there anew
    assert len(places.upstream.requests) == 6
    assert service.counts[:3] == [1, 2, 3]


def test_what_the_caller_puts_there_does_not_go_out(places):
    places.upstream.answer = Service()
    assert call(places, fields=('Authorization: Digest username="me", nonce="1"',)).status == 200
    assert places.upstream.requests[0].fields.get("authorization") is None


def test_a_new_password_is_used_at_once_and_on_a_new_connection(places):
    service = places.upstream.answer = Service()
    assert call(places).status == 200
    accepted = places.upstream.accepted
    service.password = "Hakuna Matata"
    changed = places.daemon.api("POST", f"/api/v1/connections/{places.digest['id']}/rotate",
                                {"value": {"username": USER, "password": "Hakuna Matata"}})
    assert changed.status == 200, changed.body
    assert call(places).status == 200
    assert places.upstream.accepted > accepted


def test_connections_do_not_share_their_way_to_the_service(places):
    places.upstream.answer = Service()
    other = places.daemon.connect(type="DIGEST", value={"username": USER, "password": PASSWORD},
                                  config={"hosts": ["api.test"]})
    assert call(places).status == 200
    accepted, asked = places.upstream.accepted, len(places.upstream.requests)
    assert places.call(connection=other["id"], token=places.all).status == 200
    assert places.upstream.accepted > accepted
    assert places.upstream.requests[asked].fields.get("authorization") is None


def test_a_rule_beside_it_goes_out_from_the_start(places):
    places.upstream.answer = Service()
    made = places.daemon.connect(type="DIGEST", value={"username": USER, "password": PASSWORD},
                                 config={"hosts": ["api.test"], "inject": [{"header": "X-User", "value": "${username}"}]})
    assert places.call(connection=made["id"], token=places.all).status == 200
    assert [r.fields.get("x-user") for r in places.upstream.requests] == [USER, USER]


def test_a_rule_does_not_send_the_password(places):
    refused = places.daemon.api("POST", "/api/v1/connections", {
        "name": "Bad", "app": "http", "type": "DIGEST", "value": {"username": USER, "password": PASSWORD},
        "config": {"hosts": ["api.test"], "inject": [{"header": "X-P", "value": "${password}"}]}})
    assert refused.status == 400
    assert refused.json()["errors"][0]["pointer"].startswith("/config/inject")
