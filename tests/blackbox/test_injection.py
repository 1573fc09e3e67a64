"""Every place a credential can go, and that it is there exactly once."""
import base64
import itertools
import json

import pytest
from kit import until

numbers = itertools.count()


@pytest.fixture
def connected(world):
    """A new connection; answers its alias and a token that may use it."""

    def connect(type, value, **config):
        alias = f"c{next(numbers)}"
        made = world.daemon.connect(alias=alias, type=type, value=value, config={"hosts": ["api.test"], **config})
        return {"connection": alias, "token": world.daemon.token(made["id"])}

    return connect


def test_bearer_by_default(world, connected):
    assert world.call(**connected("BEARER", {"token": "t0p"})).status == 200
    assert world.upstream.last().fields.all("authorization") == ["Bearer t0p"]


def test_basic_by_default(world, connected):
    assert world.call(**connected("BASIC", {"username": "ann", "password": "p:ss wörd"})).status == 200
    expected = "Basic " + base64.b64encode("ann:p:ss wörd".encode()).decode()
    assert world.upstream.last().fields.all("authorization") == [expected]


def test_a_header_of_ones_own(world, connected):
    who = connected("API_KEY", {"apiKey": "k-1"}, inject=[{"header": "X-Service-Key", "value": "Key ${apiKey}"}])
    assert world.call(fields=["x-service-key: mine"], **who).status == 200
    assert world.upstream.last().fields.all("x-service-key") == ["Key k-1"]


def test_a_query_parameter_replaces_the_callers_in_every_spelling(world, connected):
    who = connected("API_KEY", {"apiKey": "a&b c"}, inject=[{"query": "appid", "value": "${apiKey}"}])
    assert world.call("GET", "/w?q=1&appid=mine&%61ppid=mine2&z=2", **who).status == 200
    target = world.upstream.last().target
    assert "mine" not in target
    assert target.startswith("/w?q=1&z=2")
    assert target.count("appid=") == 1
    assert target.endswith(("appid=a%26b%20c", "appid=a%26b+c"))


def test_a_query_parameter_where_there_was_no_query(world, connected):
    who = connected("API_KEY", {"apiKey": "k"}, inject=[{"query": "token", "value": "${apiKey}"}])
    world.call("GET", "/w", **who)
    assert world.upstream.last().target == "/w?token=k"


def test_a_cookie(world, connected):
    who = connected("API_KEY", {"apiKey": "k-2"}, inject=[{"cookie": "session", "value": "${apiKey}"}])
    assert world.call(fields=["Cookie: session=mine; other=1"], **who).status == 200
    cookies = world.upstream.last().fields.all("cookie")
    assert len(cookies) == 1 and "session=k-2" in cookies[0] and "mine" not in cookies[0]


def test_a_path_prefix(world, connected):
    who = connected("API_KEY", {"apiKey": "123:abc"}, inject=[{"path": "/bot${apiKey}"}])
    assert world.call("GET", "/sendMessage?chat=1", **who).status == 200
    assert world.upstream.last().target in ("/bot123:abc/sendMessage?chat=1", "/bot123%3Aabc/sendMessage?chat=1")


@pytest.mark.parametrize("path", ["/a/../b", "/./a", "/%2e%2e/b", "/a%2fb", "/a%5cb", "//a", "/a;b"])
def test_a_path_rule_refuses_what_could_climb_out_of_it(world, connected, path):
    who = connected("API_KEY", {"apiKey": "abc"}, inject=[{"path": "/bot${apiKey}"}])
    response = world.call("GET", path, **who)
    assert (response.status, response.code) == (400, "malformed-request")
    assert not world.upstream.requests


def test_a_form_field(world, connected):
    who = connected("API_KEY", {"apiKey": "k&3"}, inject=[{"form": "auth", "value": "${apiKey}"}])
    response = world.call("POST", body=b"a=1&auth=mine&b=2", fields=["Content-Type: application/x-www-form-urlencoded"],
                          **who)
    assert response.status == 200
    seen = world.upstream.last()
    assert seen.complete and b"mine" not in seen.body
    assert b"a=1" in seen.body and b"b=2" in seen.body and seen.body.count(b"auth=") == 1
    assert b"auth=k%263" in seen.body


def test_a_member_of_a_json_body(world, connected):
    who = connected("API_KEY", {"apiKey": 'k"4'}, inject=[{"json": "/auth/key", "value": "${apiKey}"}])
    sent = json.dumps({"a": [1, 2.5, "ü"], "auth": {"key": "mine", "other": True}}).encode()
    assert world.call("POST", body=sent, fields=["Content-Type: application/json"], **who).status == 200
    seen = world.upstream.last()
    assert seen.complete
    assert json.loads(seen.body) == {"a": [1, 2.5, "ü"], "auth": {"key": 'k"4', "other": True}}


def test_a_json_body_that_is_none_is_refused(world, connected):
    who = connected("API_KEY", {"apiKey": "k"}, inject=[{"json": "/key", "value": "${apiKey}"}])
    response = world.call("POST", body=b"{not json", fields=["Content-Type: application/json"], **who)
    assert response.status == 400 and response.code
    assert not world.upstream.requests


def test_a_collected_body_is_asked_for_with_our_own_100(world, connected):
    who = connected("API_KEY", {"apiKey": "k"}, inject=[{"json": "/key", "value": "${apiKey}"}])
    with world.client() as client:
        client.send(world.head("POST", fields=["Content-Type: application/json", "Expect: 100-continue",
                                               "Content-Length: 7"], **who))
        assert client.head().status == 100
        client.send(b'{"a":1}')
        assert client.response("POST").status == 200
    seen = world.upstream.last()
    assert json.loads(seen.body) == {"a": 1, "key": "k"}
    assert "expect" not in seen.fields


def test_custom_fields_in_several_places(world, connected):
    who = connected("CUSTOM", {"user": "u", "pass": "p", "tenant": "t"}, inject=[
        {"header": "Authorization", "value": "Custom ${basic(user, pass)}"},
        {"header": "X-Tenant", "value": "${tenant}"}, {"query": "t", "value": "${tenant}"}])
    assert world.call("GET", "/", **who).status == 200
    seen = world.upstream.last()
    assert seen.fields.all("authorization") == ["Custom dTpw"]
    assert seen.fields.all("x-tenant") == ["t"]
    assert seen.target == "/?t=t"


def test_the_shipped_stripe_entry(world):
    made = world.daemon.api("POST", "/api/v1/connections", {
        "name": "S", "app": "stripe", "type": "API_KEY", "alias": "stripe-test", "value": {"apiKey": "sk_test_1"}})
    assert made.status == 201, made.body
    response = world.call(host="evil.test", connection="stripe-test", token=world.daemon.token(made.json()["id"]))
    assert (response.status, response.code) == (403, "destination-not-allowed")


@pytest.mark.parametrize("name", ["Host", "Content-Length", "Transfer-Encoding", "Connection", "X-Connection-Id",
                                  "Proxy-Authorization", "Bad Name", "Via"])
def test_a_rule_that_would_move_the_request_is_refused(world, name):
    answer = world.daemon.api("POST", "/api/v1/connections", {
        "name": "x", "app": "http", "type": "API_KEY", "value": {"apiKey": "k"},
        "config": {"hosts": ["api.test"], "inject": [{"header": name, "value": "${apiKey}"}]}})
    assert answer.status == 400, answer.body
    assert any(e["pointer"].startswith("/config/inject") for e in answer.json()["errors"])


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\x00b", "a\x01b"])
def test_a_secret_with_line_breaks_never_becomes_a_header(world, value):
    answer = world.daemon.api("POST", "/api/v1/connections", {
        "name": "x", "app": "http", "type": "BEARER", "value": {"token": value}, "config": {"hosts": ["api.test"]}})
    assert answer.status == 400, answer.body
    assert answer.json()["errors"][0]["pointer"] == "/value/token"


def test_a_rotated_secret_is_used_by_the_next_request(world, connected):
    who = connected("BEARER", {"token": "old"})
    world.call(**who)
    found = world.daemon.api("GET", f"/api/v1/connections/{who['connection']}").json()
    result = world.daemon.verb("connections", "rotate", found["id"], "--from-stdin", input='{"token": "new"}')
    assert result.returncode == 0, result.stderr
    world.call(**who)
    seen = [r.fields.get("authorization") for r in world.upstream.requests]
    assert seen == ["Bearer old", "Bearer new"]


def test_a_thousand_requests_carry_exactly_one_credential_each(world, connected):
    a, b = connected("BEARER", {"token": "aaa"}), connected("BEARER", {"token": "bbb"})
    with world.client() as client:
        for number in range(1000):
            client.send(world.head(path=f"/{number}", **(a if number % 2 else b)))
            assert client.response().status == 200
    until(lambda: len(world.upstream.requests) == 1000)
    for request in world.upstream.requests:
        expected = "Bearer aaa" if int(request.target[1:]) % 2 else "Bearer bbb"
        assert request.fields.all("authorization") == [expected]
