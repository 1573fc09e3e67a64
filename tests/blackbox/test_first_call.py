"""curl, a proxy address and a connection's name: the first thing anyone does."""
import subprocess

import pytest
from kit import SECRET, row
from kit.daemon import clean_environment
from kit.upstream import answer


@pytest.fixture
def curl(world):
    def call(*arguments, proxy_user="-", token=None, proxied=True, environment=None):
        proxy = ["-x", f"http://{proxy_user}:{token or world.token}@{world.daemon.proxy}"] if proxied else []
        result = subprocess.run(["curl", "-sS", "-i", "--max-time", "20", *proxy, *arguments], capture_output=True,
                                text=True, env={**clean_environment(world.daemon.home), **(environment or {})})
        assert result.returncode == 0, result.stderr
        return result.stdout

    return call


def test_the_secret_is_injected_and_the_caller_never_sees_it(world, curl):
    output = curl("-H", "X-Connection-Id: api", "http://api.test/v1/charges?limit=3")
    seen = world.upstream.last()
    assert output.startswith("HTTP/1.1 200") and output.endswith("hello")
    assert seen.target == "/v1/charges?limit=3"
    assert seen.fields.all("authorization") == [f"Bearer {SECRET}"]
    assert seen.fields.get("host") == "api.test"
    assert SECRET not in output


def test_by_id_as_well_as_by_alias(world, curl):
    curl("-H", f"X-Connection-Id: {world.connection['id']}", "http://api.test/")
    assert world.upstream.last().fields.get("authorization") == f"Bearer {SECRET}"


def test_by_the_user_name_of_the_proxy_url(world, curl):
    assert "200 OK" in curl("http://api.test/", proxy_user="api")
    assert "200 OK" in curl("http://api.test/", proxy_user=world.connection["id"])
    assert len(world.upstream.requests) == 2


def test_by_the_usual_proxy_variable(world, curl):
    proxy = f"http://api:{world.token}@{world.daemon.proxy}"
    assert "200 OK" in curl("http://api.test/", proxied=False, environment={"http_proxy": proxy})


def test_the_header_overrides_the_user_name(world, curl):
    world.daemon.connect(alias="second", value={"token": "second-secret"})
    token = world.daemon.token("*")
    curl("-H", "X-Connection-Id: second", "http://api.test/", proxy_user="api", token=token)
    assert world.upstream.last().fields.get("authorization") == "Bearer second-secret"


def test_a_bearer_token_on_the_proxy_is_accepted(world):
    response = world.call(token=False, fields=[f"Proxy-Authorization: Bearer {world.token}"])
    assert response.status == 200


def test_the_default_connection_of_a_host_needs_no_name(world, curl):
    token = world.daemon.token(world.connection["id"], default_for=["api.test"])
    assert "200 OK" in curl("http://api.test/", token=token)
    assert world.upstream.last().fields.get("authorization") == f"Bearer {SECRET}"


@row("connection-id-missing")
def test_without_a_name_the_answer_lists_the_choices(world):
    response = world.call(connection=None)
    assert (response.status, response.code) == (400, "connection-id-missing")
    assert {"api", world.connection["id"]} & set(response.json()["choices"])
    assert not world.upstream.requests


def test_the_internal_suffix_is_stripped(world, curl):
    curl("-H", "X-Connection-Id: api", "http://api.test.postern.internal/x")
    seen = world.upstream.last()
    assert (seen.fields.get("host"), seen.target) == ("api.test", "/x")


@pytest.mark.parametrize("url", ["http://api.test:80/", "https://api.test/", "http://API.Test./", "http://api.test"])
def test_every_spelling_of_the_same_target_goes_to_port_443(world, url):
    assert world.call(target=url).status == 200
    assert world.upstream.last().fields.get("host") == "api.test"


def test_base_url_mode_takes_the_token_where_an_sdk_puts_its_key(world):
    for field in (f"Authorization: Bearer {world.token}", f"X-Api-Key: {world.token}"):
        response = world.call("GET", target="/c/api/v1/balance?x=1", host=world.daemon.proxy, token=False,
                              connection=None, fields=[field])
        assert response.status == 200, response.body
        seen = world.upstream.last()
        assert seen.target == "/v1/balance?x=1"
        assert seen.fields.get("host") == "api.test"
        assert seen.fields.all("authorization") == [f"Bearer {SECRET}"]
        assert world.token.encode() not in seen.raw


@row("caller-unauthenticated")
def test_base_url_mode_without_a_token_is_401(world):
    response = world.call(target="/c/api/", host=world.daemon.proxy, token=False, connection=None)
    assert (response.status, response.code) == (401, "caller-unauthenticated")
    assert "WWW-Authenticate" in response.fields
    assert not world.upstream.requests


@row("connection-ambiguous")
def test_a_header_and_a_path_that_disagree_are_400(world):
    world.daemon.connect(alias="elsewhere")
    response = world.call(target="/c/api/", host=world.daemon.proxy, connection="elsewhere",
                          token=world.daemon.token("*"))
    assert (response.status, response.code) == (400, "connection-ambiguous")
    assert not world.upstream.requests


def test_a_post_with_a_body_arrives_whole(world, curl):
    body = "x" * 100_000
    curl("-H", "X-Connection-Id: api", "-H", "Content-Type: text/plain", "-d", body, "http://api.test/")
    assert world.upstream.last().body == body.encode()


def test_the_upstream_sees_the_methods_as_they_are(world):
    for method in ("PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "X-OWN"):
        assert world.call(method).status == 200
        assert world.upstream.last().method == method


def test_an_error_of_the_upstream_is_relayed_without_our_marks(world):
    world.upstream.answer = answer(b'{"error":"no"}', "404 Not Found", "Content-Type: application/json")
    response = world.call()
    assert (response.status, response.body) == (404, b'{"error":"no"}')
    assert "error=" not in (response.fields.get("proxy-status") or "")
    assert "x-should-retry" not in response.fields
