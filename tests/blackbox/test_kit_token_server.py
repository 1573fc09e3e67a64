"""The scripted provider itself, seen by Python's own client: what the other tests rely on."""
import base64
import hashlib
import http.client
import json
import threading
import urllib.parse

import pytest
from kit.oauth import Browser
from kit.token_server import FAULTS, ApiServer, TokenServer


@pytest.fixture
def server(leaf):
    made = TokenServer(*leaf)
    yield made
    made.stop()


@pytest.fixture
def browser(server, ca):
    return Browser({"token.test:443": server.address, "login.test:443": server.address}, ca)


CLIENT = {"Authorization": "Basic " + base64.b64encode(b"acme-client:acme-client-secret").decode()}


def ask(browser, path="/token", **form):
    page = browser.fetch("https://token.test" + path, "POST", form, CLIENT)
    return page.status, json.loads(page.body or b"{}")


def refresh(browser, token):
    return ask(browser, grant_type="refresh_token", refresh_token=token)


def test_without_rotation_a_refresh_token_stays_good(server, browser):
    token, access = server.provider.grant()
    first, second = refresh(browser, token), refresh(browser, token)
    assert first[0] == second[0] == 200 and "refresh_token" not in first[1]
    assert len({access, first[1]["access_token"], second[1]["access_token"]}) == 3
    assert len(server.token_requests) == server.answered == 2


def test_with_a_grace_a_spent_token_gives_the_same_new_one_until_the_grace_is_over(server, browser):
    server.provider.rotation, server.provider.grace = "rotate", 5
    token, _ = server.provider.grant()
    first = refresh(browser, token)
    assert refresh(browser, token) == first
    server.provider.advance(6)
    assert refresh(browser, token) == (400, {"error": "invalid_grant", "error_description": "The refresh token was used before."})
    assert refresh(browser, first[1]["refresh_token"])[0] == 200


def test_strict_reuse_detection_ends_the_family(server, browser):
    server.provider.rotation, server.provider.reuse = "rotate", "revoke"
    token, access = server.provider.grant()
    _, new = refresh(browser, token)
    assert server.provider.is_good(access) == server.provider.is_good(new["access_token"]) == "acct-1"
    assert refresh(browser, token)[0] == 400
    assert refresh(browser, new["refresh_token"])[0] == 400
    assert server.provider.is_good(new["access_token"]) is None


def test_a_wrong_client_is_invalid_client(server, browser):
    token, _ = server.provider.grant()
    server.clients["acme-client"] = "another secret"
    assert refresh(browser, token) == (401, {"error": "invalid_client"})


@pytest.mark.parametrize("point", ["received", "handled"])
def test_an_answer_is_held_until_it_is_released(server, browser, point):
    server.provider.rotation = "rotate"
    token, _ = server.provider.grant()
    gate, got = server.hold(point), []
    asking = threading.Thread(target=lambda: got.append(refresh(browser, token)))
    asking.start()
    gate.wait()
    assert (server.provider.refresh_tokens[token].spent is not None) == (point == "handled")
    assert not got and server.answered == 0
    gate.release()
    asking.join(20)
    assert got[0][0] == 200


def test_a_held_request_can_be_cut(server, browser):
    token, _ = server.provider.grant()
    gate, failed = server.hold("received"), []

    def asking():
        try:
            refresh(browser, token)
        except (OSError, http.client.HTTPException) as error:
            failed.append(error)

    thread = threading.Thread(target=asking)
    thread.start()
    gate.wait().drop()
    thread.join(20)
    assert failed and server.answered == 0


def test_every_fault_is_what_it_says(server, browser):
    token, _ = server.provider.grant()
    for name in ("500", "429", "invalid_grant", "invalid_client", "redirect"):
        server.fault = FAULTS[name]
        page = browser.fetch("https://token.test/token", "POST", {"grant_type": "refresh_token", "refresh_token": token}, CLIENT)
        assert page.status == {"500": 500, "429": 429, "invalid_grant": 400, "invalid_client": 401, "redirect": 307}[name]
    for name in ("garbage", "close", "reset"):
        server.fault = FAULTS[name]
        with pytest.raises((OSError, http.client.HTTPException)):
            refresh(browser, token)
    server.fault = None
    assert refresh(browser, token)[0] == 200


def test_revocation_and_introspection(server, browser):
    token, access = server.provider.grant()
    assert ask(browser, "/introspect", token=access) == (200, {"active": True})
    assert ask(browser, "/revoke", token=token)[0] == 200
    assert ask(browser, "/introspect", token=access) == (200, {"active": False})
    assert refresh(browser, token)[0] == 400


def test_a_code_needs_its_verifier_and_its_redirect_uri_and_works_once(server, browser):
    verifier = "v" * 43
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()

    def code():
        page = browser.get("https://login.test/authorize?" + urllib.parse.urlencode({
            "client_id": "acme-client", "response_type": "code", "redirect_uri": "https://us.test/back", "state": "s 1",
            "code_challenge": challenge, "code_challenge_method": "S256"}))
        assert page.status == 302
        back = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(page.location).query))
        assert back["state"] == "s 1"
        return back["code"]

    def exchange(code, verifier=verifier, where="https://us.test/back"):
        return ask(browser, grant_type="authorization_code", code=code, code_verifier=verifier, redirect_uri=where)

    assert exchange(code(), verifier="w" * 43)[0] == 400
    assert exchange(code(), where="https://us.test/other")[0] == 400
    good = code()
    status, answer = exchange(good)
    assert status == 200 and answer["account"] == "acct-1" and answer["refresh_token"]
    assert exchange(good)[0] == 400


def test_the_api_takes_what_is_good_now(server, leaf, ca):
    api = ApiServer(*leaf, server.provider)
    browser = Browser({"api.test:443": api.address}, ca)
    _, access = server.provider.grant(lifetime=10)

    def call(token):
        return browser.fetch("https://api.test/me", headers={"Authorization": f"Bearer {token}"})

    assert json.loads(call(access).body) == {"id": "acct-1"}
    assert call("other").fields["www-authenticate"] == 'Bearer realm="api", error="invalid_token"'
    server.provider.advance(11)
    assert call(access).status == 401
    api.stop()


def test_a_connection_can_be_held_before_its_handshake(server, browser):
    token, _ = server.provider.grant()
    gate, got = server.hold("connected"), []
    asking = threading.Thread(target=lambda: got.append(refresh(browser, token)))
    asking.start()
    gate.wait()
    assert server.upstream.handshakes == 0 and server.token_requests == []
    server.go_on()
    asking.join(20)
    assert got[0][0] == 200
