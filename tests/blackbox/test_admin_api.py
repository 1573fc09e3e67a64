"""The admin API: connections, authorizations and the catalog, as a foreign program sees them."""
import itertools
import re

import pytest
from kit import SECRET
from kit.http1 import Client

numbers = itertools.count()
ID = re.compile(r"conn_[0-9a-hjkmnp-tv-z]{20}")


def body(**members):
    return {"name": "A name", "app": "http", "type": "BEARER", "value": {"token": SECRET},
            "config": {"hosts": ["api.test"]}, "alias": f"a{next(numbers)}", **members}


@pytest.fixture
def api(world):
    return world.daemon.api


def test_a_created_connection_is_shown_without_its_secret(api):
    made = api("POST", "/api/v1/connections", body())
    assert made.status == 201 and SECRET.encode() not in made.body
    shown = made.json()
    assert ID.fullmatch(shown["id"])
    assert {"id", "name", "app", "type", "status", "created", "updated"} <= set(shown)
    assert (shown["status"], shown["type"], shown["app"]) == ("ACTIVE", "BEARER", "http")
    again = api("GET", f"/api/v1/connections/{shown['id']}")
    assert again.status == 200 and SECRET.encode() not in again.body
    assert again.json()["id"] == shown["id"]
    assert api("GET", f"/api/v1/connections/{shown['alias']}").json()["id"] == shown["id"]


@pytest.mark.parametrize("change, pointer", [
    ({"type": "NONE"}, "/type"), ({"app": "nobody"}, "/app"), ({"value": {}}, "/value/token"),
    ({"value": {"token": 5}}, "/value/token"), ({"value": {"token": "x", "more": "y"}}, "/value"),
    ({"config": {}}, "/config/hosts"), ({"config": {"hosts": []}}, "/config/hosts"),
    ({"config": {"hosts": ["*.test"]}}, "/config/hosts/0"), ({"config": {"hosts": ["api.test"], "x": 1}}, "/config/x"),
    ({"alias": "conn_00000000000000000000"}, "/alias"), ({"alias": "a b"}, "/alias"), ({"name": 5}, "/name"),
    ({"scope": "EVERYONE"}, "/scope"),
])
def test_a_bad_field_is_400_with_its_pointer(api, change, pointer):
    answer = api("POST", "/api/v1/connections", body(**change))
    assert answer.status == 400, answer.body
    assert answer.fields["Content-Type"] == "application/problem+json"
    assert pointer in [e["pointer"] for e in answer.json()["errors"]], answer.body


@pytest.mark.parametrize("data", ["", "[]", "{", '{"name": }', "null", '{"a":1}{"b":2}', "[" * 2000])
def test_a_body_that_is_no_object_is_400(api, data):
    assert api("POST", "/api/v1/connections", data).status == 400


def test_an_alias_is_unique_and_given_when_none_is(api):
    first = body()
    assert api("POST", "/api/v1/connections", first).status == 201
    assert api("POST", "/api/v1/connections", {**body(), "alias": first["alias"]}).status == 409
    without = body()
    del without["alias"]
    aliases = [api("POST", "/api/v1/connections", without).json()["alias"] for _ in range(2)]
    assert aliases[0].startswith("http") and aliases[0] != aliases[1]


def test_lists_are_paged_with_a_cursor(make_daemon):
    daemon = make_daemon().init().start()
    made = {daemon.connect(alias=f"p{n}")["id"] for n in range(25)}
    page = daemon.api("GET", "/api/v1/connections").json()
    assert len(page["data"]) == 10 and page["hasMore"] is True and page["cursor"]
    seen = [c["id"] for c in page["data"]]
    while page["hasMore"]:
        page = daemon.api("GET", f"/api/v1/connections?limit=7&cursor={page['cursor']}").json()
        seen += [c["id"] for c in page["data"]]
    assert len(seen) == 25 and set(seen) == made
    assert len(daemon.api("GET", "/api/v1/connections?limit=100").json()["data"]) == 25
    for bad in ("0", "101", "x", "-1"):
        assert daemon.api("GET", f"/api/v1/connections?limit={bad}").status == 400
    assert daemon.api("GET", "/api/v1/connections?cursor=nonsense").status == 400


def test_a_rename_moves_the_version_and_needs_the_right_one(api):
    made = api("POST", "/api/v1/connections", body())
    path = f"/api/v1/connections/{made.json()['id']}"
    tag = api("GET", path).fields["ETag"]
    renamed = api("PATCH", path, {"name": "Another"}, headers={"If-Match": tag})
    assert renamed.status == 200 and renamed.json()["name"] == "Another"
    assert renamed.fields["ETag"] != tag
    assert api("PATCH", path, {"name": "Third"}, headers={"If-Match": tag}).status == 412
    assert api("GET", path).json()["name"] == "Another"


def test_widening_the_destinations_needs_the_secret_again(api):
    path = "/api/v1/connections/" + api("POST", "/api/v1/connections", body()).json()["id"]
    wider = {"config": {"hosts": ["api.test", "evil.test"]}}
    refused = api("PATCH", path, wider)
    assert (refused.status, refused.code) == (409, "secret-required")
    assert api("PATCH", path, {**wider, "value": {"token": "again"}}).status == 200


def test_delete_is_204_and_then_404(api):
    path = "/api/v1/connections/" + api("POST", "/api/v1/connections", body()).json()["id"]
    answer = api("DELETE", path)
    assert (answer.status, answer.body) == (204, b"")
    assert api("GET", path).status == 404 and api("DELETE", path).status == 404


def test_no_token_is_401_and_a_weak_one_403(world, api):
    for method, path in (("GET", "/api/v1/connections"), ("POST", "/api/v1/connections"),
                         ("GET", "/api/v1/authorizations"), ("GET", "/api/v1/providers"), ("GET", "/metrics")):
        answer = api(method, path, {} if method == "POST" else None, token=False)
        assert answer.status == 401 and "WWW-Authenticate" in answer.fields, path
        assert api(method, path, {} if method == "POST" else None, token=world.token).status == 403, path
    assert api("GET", "/api/v1/connections", token="pst_nonsense").status == 401


def test_reading_is_not_writing(world, api):
    reader = world.daemon.token(capabilities=["connections:read"])
    assert api("GET", "/api/v1/connections", token=reader).status == 200
    assert api("POST", "/api/v1/connections", body(), token=reader).status == 403
    assert api("DELETE", f"/api/v1/connections/{world.connection['id']}", token=reader).status == 403


def test_self_says_what_the_token_may_do(world, api):
    answer = api("GET", "/api/v1/self", token=world.token)
    assert answer.status == 200
    assert "proxy:call" in answer.json()["capabilities"]
    assert world.connection["id"] in str(answer.json())


def test_an_idempotency_key_makes_one_connection(api):
    request, key = body(), {"Idempotency-Key": "key-1"}
    first = api("POST", "/api/v1/connections", request, headers=key)
    again = api("POST", "/api/v1/connections", request, headers=key)
    assert (first.status, again.status) == (201, 201)
    assert first.json()["id"] == again.json()["id"]
    assert api("POST", "/api/v1/connections", body(), headers=key).status in (409, 422)


def test_an_idempotent_token_is_never_shown_twice(api):
    request = {"name": "t", "capabilities": ["proxy:call"], "connections": []}
    key = {"Idempotency-Key": "key-2"}
    first = api("POST", "/api/v1/authorizations", request, headers=key)
    again = api("POST", "/api/v1/authorizations", request, headers=key)
    assert (first.status, again.status) == (201, 409)
    assert first.json()["id"] in again.body.decode() and b"pst_" not in again.body


def test_the_catalog_is_shown(api):
    page = api("GET", "/api/v1/providers?limit=100").json()
    assert {"stripe", "http"} <= {p["id"] for p in page["data"]}
    stripe = api("GET", "/api/v1/providers/stripe").json()
    assert "api.stripe.com" in str(stripe)


def test_unknown_paths_and_methods(api):
    assert api("GET", "/api/v1/nothing").status == 404
    assert api("GET", "/").status in (200, 404)
    answer = api("PUT", "/api/v1/connections", {})
    assert answer.status == 405 and "GET" in answer.fields["Allow"]


def test_a_body_without_end_is_refused(world):
    with Client(world.daemon.admin) as client:
        client.send_as_far_as_it_goes(
            f"POST /api/v1/connections HTTP/1.1\r\nHost: {world.daemon.admin}\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {world.daemon.admin_token}\r\nContent-Length: 8000000\r\n\r\n")
        assert client.response("POST").status == 413
        assert client.is_closed()


@pytest.mark.parametrize("verb", [("list",), ("show", "api")])
def test_the_command_line_shows_connections_in_every_format(world, verb):
    for form in ("table", "json", "yaml"):
        result = world.daemon.verb("connections", *verb, "-o", form)
        assert result.returncode == 0, result.stderr
        assert world.connection["id"] in result.stdout
        assert SECRET not in result.stdout
    quiet = world.daemon.verb("connections", "list", "-q")
    assert all(ID.fullmatch(line) for line in quiet.stdout.split())


def test_the_lines_of_the_manual_work(world):
    daemon = world.daemon
    made = daemon.verb("connections", "create", "--app", "stripe", "--type", "API_KEY", "--name", "Billing",
                       "--alias", "billing", "--from-stdin", "-q", input='{"apiKey":"sk_live_1"}')
    assert made.returncode == 0 and ID.fullmatch(made.stdout.strip()), made.stderr
    token = daemon.verb("tokens", "create", "--name", "step-42", "--capabilities", "proxy:call", "--connections",
                        "billing", "--expires", "1h", "-q")
    assert token.returncode == 0 and re.fullmatch(r"pst_\S+", token.stdout.strip()), token.stderr
    response = world.call(connection="billing", token=token.stdout.strip())
    assert response.code == "destination-not-allowed", "it may go to Stripe, not to the test service"


def test_no_secret_can_be_given_on_the_command_line(world):
    result = world.daemon.verb("connections", "create", "--app", "stripe", "--type", "API_KEY", "--value", "sk_live_1")
    assert result.returncode == 2
