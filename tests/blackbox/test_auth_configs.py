"""Auth configs: one app of a provider, the client of many connections (DESIGN section 10; M1 to M6).

What is relied on where the design leaves it open: POST takes `auth`, `config`, `scopes`, `hosts`, `enabled` beside the documented members;
an object shows id, name, provider, app, toolkitSlug, type, auth, enabled, status, statusReason, config, scopes, hosts, organization, connection, created, updated,
createdAt, updatedAt, version, and nothing of `value`; DELETE is 409 `in-use` with them in `connections` while there are any, and takes
them along with ?cascade=true; `hosts` is a part of the provider's; showDisabled is false by default.
"""
import copy
import json

import pytest
from conftest import world_settings
from kit import row
from kit.oauth import OAUTH, entry

PATH = "/api/v1/auth_configs"
VALUE = {"clientId": "acme-client", "clientSecret": "acme-client-secret"}


def refused(oauth, body, status=400, method="POST", path=PATH):
    answer = oauth.daemon.api(method, path, body)
    assert answer.status == status, (body, answer.status, answer.body)
    return sorted(error["pointer"] for error in answer.json().get("errors", []))


def listed(oauth, query=""):
    answer = oauth.daemon.api("GET", f"{PATH}?{query}")
    assert answer.status == 200, answer.body
    return answer.json()


def names(oauth, query=""):
    return [one["name"] for one in listed(oauth, query)["data"]]


def test_one_is_made_and_shown_without_its_secret(oauth):
    made = oauth.new_auth_config(name="Our app")
    assert made["id"].startswith("ac_") and len(made["id"]) == 3 + 20
    for member, value in {"name": "Our app", "provider": "acme", "app": "acme", "toolkitSlug": "acme", "type": "OAUTH2", "auth": "oauth",
                          "enabled": True, "status": "ACTIVE", "statusReason": None, "scopes": None, "hosts": None, "connection": None,
                          "organization": "org_default"}.items():
        assert made[member] == value, member
    assert made["created"] == made["createdAt"] and made["updated"] == made["updatedAt"]
    answer = oauth.daemon.api("GET", f"{PATH}/{made['id']}")
    assert answer.json() == made and answer.fields["ETag"]
    assert b"acme-client-secret" not in answer.body and "value" not in made


@pytest.mark.parametrize("name", ["provider", "app", "toolkitSlug"])
def test_the_provider_has_three_names(oauth, name):
    assert oauth.made(PATH, {"name": "x", name: "acme", "value": VALUE})["provider"] == "acme"


def test_what_is_wrong_is_named_and_no_value_repeated(oauth):
    good = {"name": "x", "provider": "acme", "value": VALUE}
    assert refused(oauth, {**good, "provider": "nobody"}) == ["/provider"]
    assert refused(oauth, {**good, "value": {"clientId": "a"}}) == ["/value/clientSecret"]
    assert refused(oauth, {"name": "x", "provider": "acme"}) in (["/value"], ["/value/clientId", "/value/clientSecret"])
    assert refused(oauth, {**good, "auth": "nothing"}) == ["/auth"]
    assert refused(oauth, {**good, "hosts": ["evil.test"]}) == ["/hosts"]
    assert refused(oauth, {**good, "scopes": "read"}) == ["/scopes"]
    assert refused(oauth, {**good, "config": {"nothing": "x"}}) == ["/config/nothing"]
    assert refused(oauth, {**good, "surprise": 1}) == ["/surprise"]
    answer = oauth.daemon.api("POST", PATH, {**good, "value": {**VALUE, "my-secret-here": "s3cret-s3cret"}})
    assert answer.status == 400 and b"s3cret" not in answer.body and b"my-secret-here" not in answer.body
    assert names(oauth) == []


def test_capabilities_are_asked_for(oauth):
    made = oauth.new_auth_config()

    def token(*capabilities):
        return oauth.daemon.authorize(capabilities=list(capabilities), project=None)["token"]  # it is of all projects

    reader, writer, caller = token("auth_configs:read"), token("auth_configs:read", "auth_configs:write"), token("proxy:call")
    one, body = f"{PATH}/{made['id']}", {"name": "x", "provider": "acme", "value": VALUE}
    status = {who: [oauth.daemon.api("GET", PATH, token=t).status, oauth.daemon.api("POST", PATH, body, token=t).status,
                    oauth.daemon.api("PATCH", one, {"name": "y"}, token=t).status]
              for who, t in (("reader", reader), ("writer", writer), ("caller", caller))}
    assert status == {"reader": [200, 403, 403], "writer": [200, 201, 200], "caller": [403, 403, 403]}
    assert oauth.daemon.api("GET", PATH, token=False).status == 401


def test_lists_are_paged_sorted_and_filtered(make_oauth):
    oauth = make_oauth(entries=[entry(), {**entry(), "id": "other"}])
    for name in ("bravo", "alpha", "charlie"):
        oauth.new_auth_config(name=name)
    oauth.new_auth_config(name="alpha two", provider="other")
    oauth.new_auth_config(name="off", enabled=False)
    assert set(names(oauth)) == {"bravo", "alpha", "charlie", "alpha two"}
    assert set(names(oauth, "showDisabled=true")) == {"bravo", "alpha", "charlie", "alpha two", "off"}
    assert names(oauth, "sortBy=name&sortOrder=ASC") == ["alpha", "alpha two", "bravo", "charlie"]
    assert names(oauth, "sortBy=createdAt&sortOrder=ASC") == ["bravo", "alpha", "charlie", "alpha two"]
    assert names(oauth, "sortBy=createdAt&sortOrder=DESC")[0] == "alpha two"
    assert names(oauth, "provider=other") == names(oauth, "toolkitSlug=other") == ["alpha two"]
    assert set(names(oauth, "search=ALPHA")) == {"alpha", "alpha two"}
    assert names(oauth, "sortBy=name&sortOrder=ASC&limit=2&page=2") == names(oauth, "sortBy=name&sortOrder=ASC&limit=2&offset=2") == ["bravo", "charlie"]
    first = listed(oauth, "limit=3")
    assert first["hasMore"] is True and len(first["data"]) == 3
    second = listed(oauth, f"limit=3&cursor={first['cursor']}")
    assert second["hasMore"] is False and len(second["data"]) == 1
    assert oauth.daemon.api("GET", f"{PATH}?limit=101").status == 400


def test_changing_name_and_secret(oauth):
    connection = oauth.connect(access=False)
    one = f"{PATH}/{oauth.auth_config['id']}"
    etag = oauth.daemon.api("GET", one).fields["ETag"]
    changed = oauth.daemon.api("PATCH", one, {"name": "Renamed"}, headers={"If-Match": etag})
    assert (changed.status, changed.json()["name"]) == (200, "Renamed")
    assert oauth.daemon.api("PATCH", one, {"name": "Late"}, headers={"If-Match": etag}).status == 412
    oauth.server.clients["acme-client"] = "second secret"
    assert oauth.daemon.api("PATCH", one, {"value": {"clientId": "acme-client", "clientSecret": "second secret"}}).status == 200
    assert connection.call().status == 200
    assert refused(oauth, {"provider": "other"}, method="PATCH", path=one) == ["/provider"]


def test_one_app_many_accounts(oauth):
    mine, theirs = oauth.connect(account="mine"), oauth.connect(account="theirs")
    other = oauth.connect(account="third", client="second-client", authConfig=self_made_client(oauth))
    assert [c.call().json()["id"] for c in (mine, theirs, other)] == ["mine", "theirs", "third"]
    for connection in (mine, theirs, other):
        oauth.provider.spoil(connection.access)
    assert [c.call().json()["id"] for c in (mine, theirs, other)] == ["mine", "theirs", "third"], "each with its own app's secret"


def self_made_client(oauth):
    oauth.server.clients["second-client"] = "second: secret/+%"
    return oauth.new_auth_config("second-client", name="Second")["id"]


def test_a_connection_needs_an_auth_config_of_its_provider(make_oauth):
    oauth = make_oauth(entries=[entry(), {**entry(), "id": "other"}])
    other = oauth.new_auth_config(provider="other")
    body = {"name": "x", "app": "acme", "type": "OAUTH2", "value": {"refreshToken": "r-12345678"}}
    for wrong in ({}, {"authConfig": "ac_00000000000000000000"}, {"authConfig": other["id"]}, {"authConfig": None}):
        assert refused(oauth, {**body, **wrong}, path="/api/v1/connections") == ["/authConfig"], wrong


@pytest.mark.parametrize("value, pointer", [
    ({}, "/value/refreshToken"), ({"refreshToken": ""}, "/value/refreshToken"),
    ({"refreshToken": "r-12345678", "accessToken": "a-12345678", "expiresAt": "tomorrow"}, "/value/expiresAt")])
def test_what_is_pasted_is_checked(oauth, value, pointer):
    body = {"name": "x", "app": "acme", "type": "OAUTH2", "authConfig": oauth.auth_config["id"], "value": value}
    assert refused(oauth, body, path="/api/v1/connections") == [pointer]


@row("auth-config-disabled")
def test_a_disabled_one_stops_its_connections_until_it_is_enabled(oauth):
    fresh, foreign = oauth.connect(), oauth.connect(authConfig=oauth.new_auth_config()["id"])
    one = f"{PATH}/{oauth.auth_config['id']}"
    assert oauth.daemon.api("PATCH", one, {"enabled": False}).status == 200
    ended = oauth.connect(lifetime=-5)  # only now: before, the background would have renewed it
    for connection in (fresh, ended):
        response = connection.call()
        assert (response.status, response.code) == (403, "auth-config-disabled")
        assert response.fields.get("x-should-retry") == "false"
    assert foreign.call().status == 200
    assert oauth.server.token_requests == []
    assert fresh.show()["status"] == "ACTIVE"
    assert oauth.daemon.api("PATCH", one, {"enabled": True}).status == 200
    assert fresh.call().status == ended.call().status == 200


def test_it_cannot_be_deleted_while_connections_use_it(oauth):
    connections = [oauth.connect(), oauth.connect()]
    other = oauth.connect(authConfig=oauth.new_auth_config()["id"])
    one = f"{PATH}/{oauth.auth_config['id']}"
    answer = oauth.daemon.api("DELETE", one)
    assert (answer.status, answer.code) == (409, "in-use")
    assert sorted(c["id"] for c in answer.json()["connections"]) == sorted(c.id for c in connections)
    assert all(set(c) == {"id", "name", "alias"} for c in answer.json()["connections"])
    assert answer.json()["count"] == len(connections)
    assert connections[0].call().status == 200
    assert oauth.daemon.api("DELETE", one + "?cascade=true").status == 204
    assert oauth.daemon.api("GET", one).status == oauth.daemon.api("DELETE", one).status == 404
    for connection in connections:
        assert oauth.daemon.api("GET", f"/api/v1/connections/{connection.id}").status == 404
        assert connection.call().code == "connection-unavailable"
    assert other.call().status == 200


def test_one_without_connections_is_deleted(oauth):
    one = f"{PATH}/{oauth.auth_config['id']}"
    connection = oauth.connect()
    assert oauth.daemon.api("DELETE", f"/api/v1/connections/{connection.id}").status == 204
    assert oauth.daemon.api("DELETE", one).status == 204


def test_hosts_narrow_where_its_connections_may_go(make_oauth, make_upstream, leaf):
    other = make_upstream()
    oauth = make_oauth(entries=[entry(hosts=["api.test", "other.test"])], hosts={"other.test:443": other.address})
    wide = oauth.connect()
    narrow = oauth.connect(authConfig=oauth.new_auth_config(hosts=["api.test"])["id"])
    assert wide.call(host="other.test").status == wide.call().status == narrow.call().status == 200
    response = narrow.call(host="other.test")
    assert (response.status, response.code) == (403, "destination-not-allowed")
    assert narrow.made["hosts"] == ["api.test:443"]


def test_the_token_endpoint_is_not_reachable_for_callers(make_oauth):
    auth = copy.deepcopy(OAUTH)
    auth["token"]["url"] = "https://api.test/oauth/token"
    oauth = make_oauth(entries=[entry({"oauth": auth})])
    connection = oauth.connect()
    assert connection.call(path="/me").status == 200
    for path in ("/oauth/token", "/oauth/%74oken", "/x/../oauth/token", "/oauth//token"):
        response = connection.call("POST", path)
        assert response.status in (400, 403), path
    assert [request.target for request in oauth.api.requests] == ["/me"]


def test_variables_of_the_provider_come_from_the_auth_config(make_oauth):
    auth = copy.deepcopy(OAUTH)
    auth["token"]["url"] = "https://${tenant}.wild.test/token"
    fields = {"tenant": {"title": "Tenant", "example": "token"}}
    oauth = make_oauth(entries=[entry({"oauth": auth}, fields=fields)])
    where = oauth.daemon.config.read_text().replace("token.test:443", "ours.wild.test:443")
    assert oauth.daemon.stop() == 0
    oauth.daemon.config.write_text(where)
    oauth.daemon.start()
    config = oauth.new_auth_config(config={"tenant": "ours"})
    assert config["config"] == {"tenant": "ours"}
    connection = oauth.connect(access=False, authConfig=config["id"])
    assert connection.call().status == 200


def test_a_shared_api_key_makes_a_project_connection_without_a_connect_step(make_oauth):
    key = {"key": {"type": "API_KEY", "inject": [{"header": "X-Session", "value": "${apiKey}"}]}}
    oauth = make_oauth(entries=[entry(key)])
    _, access = oauth.provider.grant()
    made = oauth.made(PATH, {"name": "Team key", "provider": "acme", "value": {"apiKey": access}})
    assert (made["type"], made["auth"]) == ("API_KEY", "key")
    connection = oauth.show(made["connection"])
    assert (connection["scope"], connection["authConfig"], connection["status"]) == ("PROJECT", made["id"], "ACTIVE")
    assert oauth.call(made["connection"]).json() == {"id": "acct-1"}
    _, second = oauth.provider.grant(account="second")
    assert oauth.daemon.api("PATCH", f"{PATH}/{made['id']}", {"value": {"apiKey": second}}).status == 200
    assert oauth.call(made["connection"]).json() == {"id": "second"}
    assert oauth.daemon.api("DELETE", f"{PATH}/{made['id']}?cascade=true").status == 204
    assert oauth.daemon.api("GET", f"/api/v1/connections/{made['connection']}").status == 404


def test_they_survive_a_restart(oauth):
    connection = oauth.connect(access=False)
    before = oauth.daemon.api("GET", f"{PATH}/{oauth.auth_config['id']}").json()
    oauth.daemon.kill()
    oauth.daemon.start()
    assert oauth.daemon.api("GET", f"{PATH}/{oauth.auth_config['id']}").json() == before
    assert connection.call().status == 200


def test_an_idempotent_creation_is_made_once(oauth):
    body, key = {"name": "once", "provider": "acme", "value": VALUE}, {"Idempotency-Key": "k-1"}
    first, second = (oauth.daemon.api("POST", PATH, body, headers=key) for _ in range(2))
    assert first.status == second.status == 201 and first.json() == second.json()
    assert names(oauth) == ["once"]


def test_the_command_line(oauth, tmp_path):
    def verb(*arguments, status=0, **options):
        result = oauth.daemon.verb("auth-configs", *arguments, **options)
        assert result.returncode == status, result.stderr
        return result.stdout

    id = verb("create", "--app", "acme", "--name", "Mine", "--from-stdin", "-q", input=json.dumps(VALUE)).strip()
    assert id.startswith("ac_")
    assert json.loads(verb("show", id, "-o", "json"))["name"] == "Mine"
    assert verb("list", "-q").split() == [id]
    verb("update", id, "--name", "Yours")
    assert json.loads(verb("show", id, "-o", "json"))["name"] == "Yours"
    refresh, _ = oauth.provider.grant(access=False)
    made = oauth.daemon.verb("connections", "create", "--app", "acme", "--type", "OAUTH2", "--auth-config", id, "--alias", "pasted",
                             "--from-stdin", "-q", input=json.dumps({"refreshToken": refresh}))
    assert made.returncode == 0, made.stderr
    assert oauth.call("pasted").status == 200
    verb("delete", id, status=1)
    assert oauth.daemon.verb("connections", "delete", "pasted").returncode == 0
    verb("delete", id)
    verb("show", id, status=3)


def test_a_provider_that_needs_an_auth_config_says_so(make_daemon, make_upstream, ca):
    daemon = make_daemon(world_settings(make_upstream(), ca)).init().start()
    answer = daemon.api("POST", "/api/v1/links", {"provider": "github", "name": "x"})
    assert answer.status == 400 and "auth config" in json.dumps(answer.json())
