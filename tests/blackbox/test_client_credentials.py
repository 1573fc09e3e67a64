"""Tokens that no person has to agree to: client credentials, JWT bearer, a login that is not OAuth, a GitHub App, an exchange.

What is relied on where the design leaves it open: `value` may be left out where an entry has no `fields` for the connection; a type whose
entry has `app_fields` (client credentials, GitHub App) needs an `authConfig`, with `app_fields: {}` it does not; a refusal of what the connection
itself holds makes it ERROR `credentials_rejected`, one of the auth config's client makes that ERROR `client_rejected`.
"""
import json
import time

import pytest
from kit import until
from kit.jwt import Key
from kit.oauth import entry, utc
from kit.token_server import FAULTS, Refusal

TOKEN = {"url": "https://token.test/token"}
SHARED = {"type": "OAUTH2_CLIENT_CREDENTIALS", "token": TOKEN, "scopes": {"default": ["read", "write"]}}
OWN = {**SHARED, "app_fields": {}, "fields": {"clientId": {"secret": False}, "clientSecret": {}}}
LOGIN = {
    "type": "TWO_STEP", "fields": {"user": {"secret": False}, "password": {}},
    "token": {"url": "https://token.test/login", "encoding": "json", "params": {"user": "${user}", "password": "${password}"}},
    "answer": {"access_token": "/session/key", "expires": {"in": "/session/ttl_ms", "unit": "ms"},
               "errors": {"when": [{"at": "ok", "is": "false"}], "code": "message", "rejected": ["bad_login"]}},
    "inject": [{"header": "X-Session", "value": "${accessToken}"}],
}
EXCHANGE = {**OWN, "fields": {**OWN["fields"], "subject": {}}, "exchange": {"subject_token": "${subject}"}}
OURS = {"clientId": "acme-client", "clientSecret": "acme-client-secret"}


def jwt_bearer(algorithm):
    return {"type": "JWT_BEARER", "fields": {"email": {"secret": False}, "user": {"secret": False, "required": False}, "privateKey": {}},
            "token": TOKEN, "assertion": {"algorithm": algorithm, "issuer": "${email}", "subject": "${user}", "lifetime": "5m"}}


def world(make_oauth, auth, **options):
    return make_oauth(entries=[entry({"machine": auth}, verify={"account": None})], **options)


def connect(oauth, type, value=None, **members):
    body = {"name": "Machine", "app": "acme", "type": type, "alias": "machine", **members}
    if value is not None:
        body["value"] = value
    return oauth.made("/api/v1/connections", body)


KINDS = {
    "client credentials": ("OAUTH2_CLIENT_CREDENTIALS", OWN, OURS),
    "two steps": ("TWO_STEP", LOGIN, {"user": "robot", "password": "robot-password"}),
    "token exchange": ("OAUTH2_CLIENT_CREDENTIALS", EXCHANGE, {**OURS, "subject": "subject-token-1"}),
}


@pytest.fixture(params=KINDS)
def machine(request, make_oauth):
    type, auth, value = KINDS[request.param]
    oauth = world(make_oauth, auth)
    oauth.server.subjects["subject-token-1"] = "acct-1"
    oauth.value = value
    return oauth, connect(oauth, type, value)["id"]


def test_the_first_request_obtains_a_token_and_later_ones_use_it(machine):
    oauth, id = machine
    shown = oauth.show(id)
    assert (shown["status"], shown["expires"]) == ("ACTIVE", None) and oauth.server.token_requests == []
    for _ in range(3):
        assert oauth.call(id).status == 200
    assert len(oauth.server.token_requests) == 1
    assert utc(3400) < oauth.show(id)["expires"] < utc(3602)


def test_many_at_first_cost_one_token_request(machine):
    oauth, id = machine
    gate = oauth.server.hold("received")
    clients = []
    for _ in range(50):
        clients.append(oauth.client())
        clients[-1].send(oauth.head(id))
    gate.wait()
    until(lambda: oauth.metric("postern_active_requests") >= 50)
    gate.release()
    assert [client.response().status for client in clients] == [200] * 50
    assert len(oauth.server.token_requests) == 1
    for client in clients:
        client.close()


def test_an_ended_token_is_obtained_anew(machine):
    oauth, id = machine
    oauth.provider.lifetime = 2  # seconds, of the first token
    assert oauth.call(id).status == 200
    oauth.provider.lifetime = 3600
    until(lambda: len(oauth.server.token_requests) == 2 or oauth.call(id) and False, 20, "the second token")
    assert oauth.call(id).status == 200


def test_a_refused_token_is_replaced_at_once(machine):
    oauth, id = machine
    assert oauth.call(id).status == 200
    oauth.provider.spoil(oauth.api.token_of(oauth.api.requests[-1]))
    assert oauth.call(id).status == 200
    assert len(oauth.server.token_requests) == 2


def test_a_kill_while_it_is_obtained_costs_nothing(machine):
    oauth, id = machine
    gate = oauth.server.hold("handled")
    client = oauth.client()
    client.send(oauth.head(id))
    gate.wait()
    oauth.daemon.kill()
    client.close()
    oauth.server.cut()
    oauth.daemon.start()
    assert oauth.call(id).status == 200
    assert oauth.show(id)["statusReason"] is None


def test_it_is_kept_across_a_restart(machine):
    oauth, id = machine
    assert oauth.call(id).status == 200
    oauth.daemon.kill()
    oauth.daemon.start()
    assert oauth.call(id).status == 200
    assert len(oauth.server.token_requests) == 1


def test_an_outage_is_503_and_heals(machine):
    oauth, id = machine
    oauth.server.fault = FAULTS["500"]
    response = oauth.call(id)
    assert (response.status, response.code) == (503, "token-endpoint-unavailable")
    oauth.server.fault = None
    until(lambda: oauth.call(id).status == 200, 60)


def test_a_refusal_makes_it_an_error_until_the_value_is_replaced(machine):
    oauth, id = machine
    kept = dict(oauth.server.clients), dict(oauth.server.logins), dict(oauth.server.subjects)
    oauth.server.clients, oauth.server.logins, oauth.server.subjects = {}, {}, {}
    assert oauth.call(id).code == "connection-error"
    shown = oauth.show(id)
    assert (shown["status"], shown["statusReason"]) == ("ERROR", "credentials_rejected")
    assert oauth.call(id).code == "connection-error" and len(oauth.server.token_requests) == 1
    oauth.server.clients, oauth.server.logins, oauth.server.subjects = kept
    rotated = oauth.daemon.api("POST", f"/api/v1/connections/{id}/rotate", {"value": oauth.value})
    assert (rotated.status, rotated.json()["status"]) == (200, "ACTIVE"), rotated.body
    assert oauth.call(id).status == 200


# --- client credentials ---------------------------------------------------------------------------------------------------
def test_an_auth_config_is_the_client(make_oauth):
    oauth = world(make_oauth, SHARED)
    config = oauth.new_auth_config()
    made = connect(oauth, "OAUTH2_CLIENT_CREDENTIALS", authConfig=config["id"])
    assert made["authConfig"] == config["id"]
    assert oauth.call(made["id"]).json() == {"id": "acme-client"}
    assert oauth.server.token_requests == [{"grant_type": "client_credentials", "scope": "read write"}]
    response = oauth.daemon.api("POST", "/api/v1/connections", {"name": "x", "app": "acme", "type": "OAUTH2_CLIENT_CREDENTIALS"})
    assert response.status == 400 and [e["pointer"] for e in response.json()["errors"]] == ["/authConfig"]


def test_a_rejected_client_of_an_auth_config_is_its_error(make_oauth):
    oauth = world(make_oauth, SHARED)
    config = oauth.new_auth_config()
    id = connect(oauth, "OAUTH2_CLIENT_CREDENTIALS", authConfig=config["id"])["id"]
    oauth.server.fault = FAULTS["invalid_client"]
    assert oauth.call(id).code == "connection-error"
    shown = oauth.daemon.api("GET", f"/api/v1/auth_configs/{config['id']}").json()
    assert (shown["status"], shown["statusReason"]) == ("ERROR", "client_rejected")
    assert oauth.show(id)["status"] == "ACTIVE"


@pytest.mark.parametrize("client_auth", ["basic", "body"])
def test_awkward_secrets_arrive_as_they_are(make_oauth, client_auth):
    auth = {**OWN, "token": {**TOKEN, "client_auth": client_auth}}
    secret = "a:b%c+d e/ü&="
    oauth = world(make_oauth, auth, clients={"id:with colon": secret})
    id = connect(oauth, "OAUTH2_CLIENT_CREDENTIALS", {"clientId": "id:with colon", "clientSecret": secret})["id"]
    assert oauth.call(id).json() == {"id": "id:with colon"}


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_a_client_that_signs_instead_of_telling_its_secret(make_oauth, tmp_path, algorithm):
    key = Key(tmp_path, algorithm)
    auth = {**SHARED, "token": {**TOKEN, "client_auth": "private_key_jwt"}, "client_assertion": {"algorithm": algorithm}}
    oauth = world(make_oauth, auth)
    seen = []

    def check(_, form):
        assert form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        seen.append(key.claims(form["client_assertion"])[1])
        return seen[-1]["sub"]

    oauth.server.check_client = check
    config = oauth.new_auth_config(value={"clientId": "acme-client", "privateKey": key.pem, "clientSecret": None})
    id = connect(oauth, "OAUTH2_CLIENT_CREDENTIALS", authConfig=config["id"])["id"]
    assert oauth.call(id).json() == {"id": "acme-client"}
    claims = seen[0]
    assert claims["iss"] == claims["sub"] == "acme-client" and claims["aud"] == "https://token.test/token"
    assert claims["jti"] and abs(claims["iat"] - time.time()) < 60 and 0 < claims["exp"] - claims["iat"] <= 600
    assert "client_secret" not in oauth.server.token_requests[0]


# --- JWT bearer ------------------------------------------------------------------------------------------------------------
@pytest.fixture(params=["RS256", "ES256", "EdDSA"])
def signer(request, tmp_path):
    return Key(tmp_path, request.param)


def test_a_service_account_signs_for_itself_or_for_a_user(make_oauth, signer):
    oauth = world(make_oauth, jwt_bearer(signer.algorithm))
    seen = []

    def check(assertion):
        seen.append(signer.claims(assertion)[1])
        return seen[-1].get("sub") or seen[-1]["iss"]

    oauth.server.check_assertion = check
    plain = connect(oauth, "JWT_BEARER", {"email": "robot@acme.test", "privateKey": signer.pem})["id"]
    acting = connect(oauth, "JWT_BEARER", {"email": "robot@acme.test", "privateKey": signer.pem, "user": "ada@acme.test"}, alias="acting")["id"]
    assert oauth.call(plain).json() == {"id": "robot@acme.test"}
    assert oauth.call(acting).json() == {"id": "ada@acme.test"}
    assert oauth.server.token_requests[0]["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    assert seen[0]["iss"] == "robot@acme.test" and "sub" not in seen[0] and seen[0]["aud"] == "https://token.test/token"
    assert seen[0]["exp"] - seen[0]["iat"] == 300 and abs(seen[0]["iat"] - time.time()) < 60
    assert len({claims["jti"] for claims in seen}) == 2


def test_an_assertion_that_is_refused_is_an_error_of_the_connection(make_oauth, tmp_path):
    key = Key(tmp_path, "RS256")
    oauth = world(make_oauth, jwt_bearer("RS256"))

    def refuse(_):
        raise Refusal("invalid_grant", text="Invalid JWT signature.")

    oauth.server.check_assertion = refuse
    id = connect(oauth, "JWT_BEARER", {"email": "robot@acme.test", "privateKey": key.pem})["id"]
    assert oauth.call(id).code == "connection-error"
    shown = oauth.show(id)
    assert (shown["status"], shown["statusReason"]) == ("ERROR", "credentials_rejected")
    assert "Invalid JWT signature" in shown["statusText"]


def test_a_key_that_is_none_is_refused_when_it_is_stored(make_oauth):
    oauth = world(make_oauth, jwt_bearer("RS256"))
    answer = oauth.daemon.api("POST", "/api/v1/connections", {
        "name": "x", "app": "acme", "type": "JWT_BEARER", "value": {"email": "robot@acme.test", "privateKey": "not-a-key-at-all"}})
    assert answer.status == 400 and [e["pointer"] for e in answer.json()["errors"]] == ["/value/privateKey"]
    assert b"not-a-key-at-all" not in answer.body


def test_a_service_account_from_the_command_line(make_oauth, tmp_path):
    key = Key(tmp_path, "RS256")
    oauth = world(make_oauth, jwt_bearer("RS256"))
    oauth.server.check_assertion = lambda assertion: key.claims(assertion)[1]["iss"]
    made = oauth.daemon.verb("connections", "create", "--app", "acme", "--type", "JWT_BEARER", "--alias", "robot", "--from-stdin", "-q",
                             input=json.dumps({"email": "robot@acme.test", "privateKey": key.pem}))
    assert made.returncode == 0, made.stderr
    assert oauth.call("robot").json() == {"id": "robot@acme.test"}


# --- others -----------------------------------------------------------------------------------------------------------------
def test_an_installation_token_of_a_github_app(make_oauth, tmp_path):
    key = Key(tmp_path, "RS256")
    auth = {"type": "GITHUB_APP", "answer": {"access_token": "token", "expires": {"at": "expires_at"}},
            "token": {"url": "https://token.test/app/installations/${installationId}/access_tokens", "encoding": "json"}}
    oauth = world(make_oauth, auth)
    seen = []
    oauth.server.check_assertion = lambda jwt: seen.append(key.claims(jwt)[1])
    config = oauth.new_auth_config(value={"appId": "4711", "privateKey": key.pem, "clientId": None, "clientSecret": None})
    id = connect(oauth, "GITHUB_APP", {"installationId": "42"}, authConfig=config["id"])["id"]
    assert oauth.call(id).json() == {"id": "42"}
    assert seen[0]["iss"] == "4711" and seen[0]["exp"] - seen[0]["iat"] <= 600
    assert utc(3400) < oauth.show(id)["expires"] < utc(3601)


def test_what_a_two_step_login_sends_and_injects(make_oauth):
    oauth = world(make_oauth, LOGIN)
    id = connect(oauth, "TWO_STEP", {"user": "robot", "password": "robot-password"})["id"]
    assert oauth.call(id, fields=["X-Session: forged"]).json() == {"id": "robot"}
    assert oauth.server.token_requests == [{"user": "robot", "password": "robot-password"}]
    request = oauth.api.requests[0]
    assert len(request.fields.all("x-session")) == 1 and "authorization" not in request.fields


def test_what_a_token_exchange_sends(make_oauth):
    oauth = world(make_oauth, EXCHANGE)
    oauth.server.subjects["subject-token-1"] = "on-behalf"
    id = connect(oauth, "OAUTH2_CLIENT_CREDENTIALS", {**OURS, "subject": "subject-token-1"})["id"]
    assert oauth.call(id).json() == {"id": "on-behalf"}
    sent = oauth.server.token_requests[0]
    assert sent["grant_type"] == "urn:ietf:params:oauth:grant-type:token-exchange"
    assert sent["subject_token_type"] == "urn:ietf:params:oauth:token-type:access_token"
