"""Who may call: authorizations and their tokens."""
import datetime

import pytest
from kit import row, until
from kit.http1 import basic


def utc(seconds):
    moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def altered(token, at):
    return token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1:]


@row("caller-unauthenticated")
def test_without_a_token_is_407(world):
    response = world.call(token=False)
    assert (response.status, response.code) == (407, "caller-unauthenticated")
    assert response.fields.get("proxy-authenticate") == 'Basic realm="postern"'
    assert response.fields.get("x-should-retry") == "false"
    assert not world.upstream.requests


@row("caller-unauthenticated")
def test_every_altered_token_is_407(world):
    places = [4, 10, 20, 40, len(world.token) - 1]
    bad = [altered(world.token, at) for at in places]
    bad += [world.token[:-1], world.token + "A", world.token.upper(), "", "x", "pst_", world.token[4:]]
    for token in bad:
        response = world.call(token=token) if token else world.call(
            token=False, fields=[f"Proxy-Authorization: {basic('-', '')}"])
        assert (response.status, response.code) == (407, "caller-unauthenticated"), token
    assert not world.upstream.requests


@row("caller-unauthenticated")
@pytest.mark.parametrize("value", ["Basic", "Basic !!!", "Basic " + "A" * 4000, "Digest x", "Bearer", "Bearer  x",
                                   "Basic LTo=", "pst_x"])
def test_a_malformed_proxy_authorization_is_refused(world, value):
    response = world.call(token=False, fields=[f"Proxy-Authorization: {value}"])
    assert response.status in (400, 407) and response.code
    assert not world.upstream.requests


@row("caller-unauthenticated")
def test_a_revoked_token_is_407(world):
    made = world.daemon.authorize(world.connection["id"])
    assert world.call(token=made["token"]).status == 200
    assert world.daemon.api("DELETE", f"/api/v1/authorizations/{made['id']}").status == 204
    response = world.call(token=made["token"])
    assert (response.status, response.code) == (407, "caller-unauthenticated")


@row("caller-unauthenticated")
def test_an_expired_token_is_407(world):
    token = world.daemon.token(world.connection["id"], expires=utc(2))
    assert world.call(token=token).status == 200
    until(lambda: world.call(token=token).status == 407, what="the expiry")


def test_a_token_of_another_vault_is_407(world, make_daemon):
    other = make_daemon().init().start()
    assert world.call(token=other.token("*")).status == 407


@pytest.mark.parametrize("connections", [[], None])
def test_no_connections_means_none(world, connections):
    body = {"name": "x", "capabilities": ["proxy:call"]}
    if connections is not None:
        body["connections"] = connections
    token = world.daemon.api("POST", "/api/v1/authorizations", body).json()["token"]
    assert world.call(token=token).code == "connection-unavailable"


def test_a_star_means_all_also_later_ones(world):
    token = world.daemon.token("*")
    world.daemon.connect(alias="made-later")
    assert world.call(connection="made-later", token=token).status == 200


def test_only_the_connections_that_are_listed(world):
    made = world.daemon.connect(alias="listed-no")
    assert world.call(connection=made["id"]).code == "connection-unavailable"
    assert world.call(connection="listed-no").code == "connection-unavailable"


def test_without_the_capability_nothing_is_called(world):
    token = world.daemon.token("*", capabilities=["connections:read"])
    response = world.call(token=token)
    assert response.status in (403, 407) and response.code
    assert not world.upstream.requests


def test_an_authorization_cannot_make_more_than_it_has(world):
    maker = world.daemon.token(world.connection["id"], capabilities=["authorizations:write", "proxy:call"])
    made = world.daemon.api("POST", "/api/v1/authorizations", {
        "name": "child", "capabilities": ["connections:write"], "connections": []}, token=maker)
    assert made.status in (400, 403)
    made = world.daemon.api("POST", "/api/v1/authorizations", {
        "name": "child", "capabilities": ["proxy:call"], "connections": ["*"]}, token=maker)
    assert made.status in (400, 403)


def test_what_its_maker_loses_it_loses(world):
    maker = world.daemon.authorize(world.connection["id"], capabilities=["authorizations:write", "proxy:call"])
    child = world.daemon.api("POST", "/api/v1/authorizations", {
        "name": "child", "capabilities": ["proxy:call"], "connections": [world.connection["id"]]},
        token=maker["token"]).json()["token"]
    assert world.call(token=child).status == 200
    assert world.daemon.api("DELETE", f"/api/v1/authorizations/{maker['id']}").status == 204
    assert world.call(token=child).status == 407


def test_the_token_is_shown_once(world):
    made = world.daemon.authorize(world.connection["id"])
    secret = made["token"][16:]
    shown = world.daemon.api("GET", f"/api/v1/authorizations/{made['id']}")
    assert shown.status == 200 and "token" not in shown.json()
    assert secret.encode() not in shown.body
    assert secret.encode() not in world.daemon.api("GET", "/api/v1/authorizations?limit=100").body


def test_expiry_defaults_to_a_day_and_is_at_most_ninety(world):
    made = world.daemon.authorize(world.connection["id"])
    expires = datetime.datetime.fromisoformat(made["expires"].replace("Z", "+00:00"))
    hours = (expires - datetime.datetime.now(datetime.timezone.utc)).total_seconds() / 3600
    assert 23 < hours < 25
    answer = world.daemon.api("POST", "/api/v1/authorizations", {
        "name": "x", "capabilities": ["proxy:call"], "connections": [], "expires": utc(91 * 86400)})
    assert answer.status == 400 and answer.json()["errors"][0]["pointer"] == "/expires"


def test_many_wrong_tokens_lock_nobody_out(world):
    for _ in range(20):
        assert world.call(token=altered(world.token, 30)).status == 407
    assert world.call().status == 200
