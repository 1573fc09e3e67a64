"""Trying a connection, and giving its tokens back (DESIGN sections 7 and 10; M14, M15, M20).

What is relied on where the design leaves it open:
  POST /api/v1/connections/{id}/test → 200 {"ok", "reason", "text", "account", "status", "statusReason", "connection", "exchange": {"request":
    {"method", "url", "headers"}, "response": {"status", "headers", "body"}}}; secrets are *** in it; 401 and 403 of the service make it ERROR
    `credentials_rejected`, what is not an answer about the credential changes no status; 409 `not-testable` without verify and introspection
  POST /api/v1/connections/{id}/revoke → 200 {"connection", "tokens": [{"token", "revoked", "status", "text"}]}; the local tokens are gone either way
  DELETE …?revoke=true → 204, or 502 `revoke-failed` and nothing is deleted
"""
import copy
import json

import pytest
from kit import row
from kit.oauth import OAUTH, entry
from kit.token_server import FAULTS
from kit.upstream import answer


def post(oauth, connection, what, body=None):
    answer = oauth.daemon.api("POST", f"/api/v1/connections/{connection.id}/{what}", body)
    assert answer.status == 200, answer.body
    return answer.json()


# --- test -----------------------------------------------------------------------------------------------------------------
def test_a_good_connection_passes_and_names_its_account(oauth):
    connection = oauth.connect()
    result = post(oauth, connection, "test")
    assert (result["ok"], result["reason"], result["text"], result["account"], result["status"]) == (True, None, None, "acct-1", "ACTIVE")
    assert result["connection"]["id"] == connection.id and result["connection"]["account"] == "acct-1"
    exchange = result["exchange"]
    assert (exchange["request"]["method"], exchange["request"]["url"]) == ("GET", "https://api.test/me")
    assert exchange["request"]["headers"]["Authorization"] == "Bearer ***"
    assert exchange["response"]["status"] == 200 and "acct-1" in exchange["response"]["body"]
    assert [r.target for r in oauth.api.requests] == ["/me"] and oauth.server.token_requests == []


def test_the_exchange_shows_no_secret_even_if_the_service_repeats_it(oauth):
    connection = oauth.connect()
    oauth.api.before = lambda exchange, request: exchange.send(
        answer(f'{{"id": "a", "echo": "{connection.access}"}}', "200 OK", f"X-Echo: {connection.access}", "Set-Cookie: s=1")) or True
    response = oauth.daemon.api("POST", f"/api/v1/connections/{connection.id}/test")
    assert response.status == 200 and connection.access.encode() not in response.body


def test_a_due_token_is_renewed_first(oauth):
    connection = oauth.connect(lifetime=-5)
    assert post(oauth, connection, "test")["ok"] is True
    assert len(oauth.server.token_requests) == 1
    assert oauth.api.token_of(oauth.api.requests[0]) != connection.access


@row("connection-error")
@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden"])
def test_a_rejected_credential_is_an_error_until_a_test_passes(oauth, status):
    connection = oauth.connect()
    oauth.api.before = lambda exchange, _: exchange.send(answer("no", status)) or True
    result = post(oauth, connection, "test")
    assert (result["ok"], result["reason"], result["status"], result["statusReason"]) == (
        False, "credentials_rejected", "ERROR", "credentials_rejected")
    assert result["text"] and result["exchange"]["response"]["status"] == int(status[:3])
    assert connection.call().code == "connection-error"
    oauth.api.before = None
    assert post(oauth, connection, "test")["status"] == "ACTIVE"
    assert connection.call().status == 200


@pytest.mark.parametrize("status", ["500 Internal Server Error", "429 Too Many Requests", "404 Not Found", "302 Found"])
def test_an_answer_that_is_not_about_the_credential_changes_no_status(oauth, status):
    connection = oauth.connect()
    oauth.api.before = lambda exchange, _: exchange.send(answer("x", status)) or True
    result = post(oauth, connection, "test")
    assert (result["ok"], result["reason"], result["status"]) == (False, "unexpected_answer", "ACTIVE")


def test_a_service_that_cannot_be_reached_changes_no_status(oauth):
    connection = oauth.connect()
    oauth.api.stop()
    result = post(oauth, connection, "test")
    assert (result["ok"], result["reason"], result["status"]) == (False, "service_unavailable", "ACTIVE")
    assert result["exchange"]["response"] is None


def test_a_rejected_refresh_shows_in_a_test(oauth):
    connection = oauth.connect(access=False)
    oauth.provider.forget(connection.refresh)
    result = post(oauth, connection, "test")
    assert (result["ok"], result["reason"], result["status"]) == (False, "refresh_rejected", "EXPIRED")
    assert oauth.api.requests == []


def test_introspection_stands_in_for_a_verify_request(make_oauth):
    auth = {**OAUTH, "introspect": {"url": "https://token.test/introspect"}}
    oauth = make_oauth(entries=[entry({"oauth": auth}, verify=None)])
    connection = oauth.connect()
    assert post(oauth, connection, "test")["ok"] is True
    assert oauth.server.introspections[0]["token"] == connection.access
    oauth.provider.spoil(connection.access)
    result = post(oauth, connection, "test")
    assert (result["ok"], result["status"], result["statusReason"]) == (False, "ERROR", "credentials_rejected")


def test_what_cannot_be_tested_says_so(make_oauth):
    oauth = make_oauth(entries=[entry(verify=None)])
    response = oauth.daemon.api("POST", f"/api/v1/connections/{oauth.connect().id}/test")
    assert (response.status, response.code) == (409, "not-testable")


def test_a_static_credential_is_tested_too(make_oauth):
    oauth = make_oauth(entries=[entry({"token": {"type": "BEARER"}})])
    _, access = oauth.provider.grant()
    connection = oauth.daemon.connect(app="acme", value={"token": access}, config={}, alias="static")
    test = f"/api/v1/connections/{connection['id']}/test"
    assert oauth.daemon.api("POST", test).json()["ok"] is True
    oauth.provider.spoil(access)
    result = oauth.daemon.api("POST", test).json()
    assert (result["ok"], result["status"]) == (False, "ERROR")


def test_testing_and_revoking_need_the_capability(oauth):
    connection = oauth.connect()
    token = oauth.daemon.authorize(connection.id, capabilities=["connections:read", "proxy:call"])["token"]
    for what in ("test", "revoke"):
        assert oauth.daemon.api("POST", f"/api/v1/connections/{connection.id}/{what}", token=token).status == 403
        assert oauth.daemon.api("POST", f"/api/v1/connections/conn_00000000000000000000/{what}").status == 404
    assert oauth.api.requests == [] and oauth.server.revocations == []


# --- revoke ------------------------------------------------------------------------------------------------------------------
@row("connection-revoked")
def test_revoking_ends_the_tokens_at_the_service_and_here(oauth):
    connection = oauth.connect()
    result = post(oauth, connection, "revoke")
    assert [(t["token"], t["revoked"], t["status"], t["text"]) for t in result["tokens"]] == [("refresh_token", True, 200, None)]
    assert (result["connection"]["status"], result["connection"]["statusReason"]) == ("REVOKED", "revoked")
    assert [form["token"] for form in oauth.server.revocations] == [connection.refresh]
    assert oauth.provider.is_good(connection.access) is None
    response = connection.call()
    assert (response.status, response.code) == (403, "connection-revoked")
    assert post(oauth, connection, "revoke")["tokens"] == [] and len(oauth.server.revocations) == 1
    assert connection.show()["status"] == "REVOKED" and oauth.api.requests == []


def test_both_tokens_where_the_entry_says_so(make_oauth):
    auth = copy.deepcopy(OAUTH)
    auth["revoke"]["token"] = "both"
    oauth = make_oauth(entries=[entry({"oauth": auth})])
    connection = oauth.connect()
    result = post(oauth, connection, "revoke")
    assert sorted(t["token"] for t in result["tokens"]) == ["access_token", "refresh_token"]
    assert sorted(form["token"] for form in oauth.server.revocations) == sorted([connection.access, connection.refresh])


@pytest.mark.parametrize("fault", ["500", "close", "invalid_client"])
def test_a_service_that_does_not_take_it_is_reported_and_the_tokens_are_gone_here(oauth, fault):
    connection = oauth.connect()
    oauth.server.fault = FAULTS[fault]
    result = post(oauth, connection, "revoke")
    assert len(result["tokens"]) == 1
    token = result["tokens"][0]
    assert token["revoked"] is False and token["text"] and (token["status"] is None) == (fault == "close")
    assert result["connection"]["status"] == "REVOKED"
    assert connection.call().code == "connection-revoked"
    assert oauth.provider.is_good(connection.access) == "acct-1"


def test_without_a_revocation_endpoint_it_is_revoked_here(make_oauth):
    oauth = make_oauth(entries=[entry({"oauth": {k: v for k, v in OAUTH.items() if k != "revoke"}})])
    connection = oauth.connect()
    result = post(oauth, connection, "revoke")
    assert result["tokens"] == [] and result["connection"]["status"] == "REVOKED"


def test_a_new_value_brings_a_revoked_connection_back(oauth):
    connection = oauth.connect()
    post(oauth, connection, "revoke")
    refresh, _ = oauth.provider.grant(access=False)
    assert oauth.daemon.api("POST", f"/api/v1/connections/{connection.id}/rotate", {"value": {"refreshToken": refresh}}).status == 200
    assert connection.show()["status"] == "ACTIVE" and connection.call().status == 200


def test_deleting_can_revoke_first(oauth):
    kept, revoked = oauth.connect(), oauth.connect()
    assert oauth.daemon.api("DELETE", f"/api/v1/connections/{kept.id}").status == 204
    assert oauth.server.revocations == []
    assert oauth.daemon.api("DELETE", f"/api/v1/connections/{revoked.id}?revoke=true").status == 204
    assert [form["token"] for form in oauth.server.revocations] == [revoked.refresh]
    assert oauth.daemon.api("GET", f"/api/v1/connections/{revoked.id}").status == 404


def test_a_deletion_that_could_not_revoke_deletes_nothing(oauth):
    connection = oauth.connect()
    oauth.server.fault = FAULTS["500"]
    path = f"/api/v1/connections/{connection.id}"
    response = oauth.daemon.api("DELETE", path + "?revoke=true")
    assert (response.status, response.code) == (502, "revoke-failed")
    assert connection.call().status == 200
    oauth.server.fault = None
    assert oauth.daemon.api("DELETE", path + "?revoke=true").status == 204


def test_a_refresh_in_flight_does_not_bring_a_revoked_connection_back(oauth):
    gate, connection, client = oauth.held_renewal("handled")
    assert post(oauth, connection, "revoke")["connection"]["status"] == "REVOKED"
    gate.release()
    with client:
        assert client.response().status in (403, 503)
    assert connection.call().code == "connection-revoked" and oauth.api.requests == []


def test_the_command_line(oauth):
    connection = oauth.connect()
    good = oauth.daemon.verb("connections", "test", connection.id, "-o", "json")
    assert good.returncode == 0, good.stderr
    assert json.loads(good.stdout)["ok"] is True
    oauth.provider.spoil(connection.access)
    oauth.provider.forget(connection.refresh)
    bad = oauth.daemon.verb("connections", "test", connection.id)
    assert bad.returncode == 1 and connection.access not in bad.stdout + bad.stderr
    revoked = oauth.daemon.verb("connections", "revoke", connection.id)
    assert revoked.returncode == 0, revoked.stderr
    assert connection.show()["status"] == "REVOKED"
