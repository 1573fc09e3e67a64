"""What of a service's answer reaches the caller, and what never does."""
import base64
import itertools

import pytest
from kit import SECRET, row
from kit.upstream import answer

numbers = itertools.count()


def answered(world, *fields, status="200 OK", **request):
    world.upstream.answer = answer(b"body", status, *fields)
    response = world.call(**request)
    assert response.body == b"body"
    return response


@pytest.mark.parametrize("field", ["Set-Cookie: a=b", "Authentication-Info: x", "Alt-Svc: h3=\":443\"",
                                   "Strict-Transport-Security: max-age=1", "Proxy-Authenticate: Basic realm=x",
                                   "Keep-Alive: timeout=5", "Proxy-Connection: close"])
def test_a_field_that_is_dropped(world, field):
    assert field.split(":")[0] not in answered(world, field).fields


def test_other_fields_come_back_in_order(world):
    response = answered(world, "X-One: 1", "WWW-Authenticate: Bearer", "X-One: 2", "Server: s", "X-Empty:")
    assert response.fields.all("x-one") == ["1", "2"]
    assert response.fields.get("www-authenticate") == "Bearer"
    assert response.fields.get("server") == "s"
    assert response.fields.get("x-empty") == ""


def test_a_field_named_by_the_answers_connection_is_dropped(world):
    assert "x-hop" not in answered(world, "Connection: x-hop", "X-Hop: 1").fields


@pytest.mark.parametrize("echo", [SECRET, f"Bearer {SECRET}", f"prefix {SECRET} suffix", f"a={SECRET}; b={SECRET}"])
def test_the_injected_value_is_masked_wherever_it_comes_back(world, echo):
    response = answered(world, f"X-Echo: {echo}", f"X-{SECRET[:4]}: x")
    assert SECRET not in response.raw.decode("latin-1")
    assert "X-Echo" in response.fields


def test_the_injected_value_is_masked_percent_encoded_too(world):
    alias = f"m{next(numbers)}"
    made = world.daemon.connect(alias=alias, type="API_KEY", value={"apiKey": "se/cr+et=="},
                                config={"hosts": ["api.test"], "inject": [{"query": "k", "value": "${apiKey}"}]})
    who = {"connection": alias, "token": world.daemon.token(made["id"])}
    for form in ("se/cr+et==", "se%2Fcr%2Bet%3D%3D", "se%2fcr%2bet%3d%3d"):
        response = answered(world, f"X-Where: https://elsewhere.test/?k={form}", **who)
        assert form not in response.raw.decode("latin-1")


def test_a_basic_value_is_masked_encoded(world):
    alias = f"m{next(numbers)}"
    made = world.daemon.connect(alias=alias, type="BASIC", value={"username": "u", "password": "long-password"})
    encoded = base64.b64encode(b"u:long-password").decode()
    response = answered(world, f"X-Echo: Basic {encoded}", connection=alias, token=world.daemon.token(made["id"]))
    assert encoded not in response.raw.decode("latin-1")


@pytest.mark.parametrize("field", ["Location", "Content-Location"])
def test_redirects_inside_the_connection_come_back_through_us(world, field):
    response = answered(world, f"{field}: https://api.test/next?x=1", status="302 Found")
    assert response.status == 302
    assert response.fields.get(field) == "http://api.test/next?x=1"


def test_refresh_and_link_are_rewritten_too(world):
    response = answered(world, "Refresh: 5; url=https://api.test/r", 'Link: <https://api.test/p?page=2>; rel="next"')
    assert "http://api.test/r" in response.fields.get("refresh")
    assert response.fields.get("link") == '<http://api.test/p?page=2>; rel="next"'


def test_the_form_the_caller_used_is_kept(world):
    world.upstream.answer = answer(b"body", "302 Found", "Location: https://api.test/next")
    internal = world.call(host="api.test.postern.internal")
    assert internal.fields.get("location") == "http://api.test.postern.internal/next"
    base = world.call(target="/c/api/x", host=world.daemon.proxy, connection=None)
    location = base.fields.get("location")
    assert location in ("/c/api/next", f"http://{world.daemon.proxy}/c/api/next")


@pytest.mark.parametrize("location", ["https://other.test/next", "/relative?x=1", "https://api.test.evil.test/",
                                      "https://api.test:8443/", "mailto:a@api.test"])
def test_other_redirects_are_relayed_as_they_are(world, location):
    assert answered(world, f"Location: {location}", status="302 Found").fields.get("location") == location


def test_redirects_are_never_followed(world):
    answered(world, "Location: https://api.test/next", status="307 Temporary Redirect")
    assert len(world.upstream.requests) == 1


@row("upstream-malformed")
def test_a_407_from_the_service_is_ours_to_answer(world):
    world.upstream.answer = answer(b"", "407 Proxy Authentication Required", "Proxy-Authenticate: Basic realm=evil")
    response = world.call()
    assert response.status == 502
    assert "proxy-authenticate" not in response.fields
    assert response.code


def test_bodies_are_not_touched(world):
    body = f"https://api.test/ {SECRET} \x00\xff".encode("latin-1")
    world.upstream.answer = answer(body)
    assert world.call().body == body
