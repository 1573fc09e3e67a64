"""What hostile testers found once: each stays refused."""
import itertools
import signal
from urllib.parse import quote

import pytest
from kit import until
from kit.http1 import Client
from kit.upstream import answer

numbers = itertools.count()
ENTRY = """id: withoauth
hosts: [api.test]
auth:
  key:
    type: API_KEY
    inject: [{header: X-Key, value: "${apiKey}"}]
  oauth:
    type: OAUTH2
    authorize: {url: https://api.test/oauth/authorize}
    token: {url: https://api.test/oauth/token}
    inject: [{header: Authorization, value: "Bearer ${accessToken}"}]
"""


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    folder = tmp_path_factory.mktemp("providers")
    (folder / "withoauth.yaml").write_text(ENTRY)
    return folder


def made(world, **members):
    alias = f"a{next(numbers)}"
    connection = world.daemon.connect(alias=alias, **members)
    return {"connection": alias, "token": world.daemon.token(connection["id"])}


def test_a_password_inside_a_basic_value_is_masked_by_itself(world):
    who = made(world, type="BASIC", value={"username": "joe", "password": "hunter2hunter2"})
    world.upstream.answer = answer(b"", "200 OK", "X-Echo: hunter2hunter2", "X-hunter2hunter2: 1")
    assert b"hunter2hunter2" not in world.call(**who).raw


def test_an_injected_path_prefix_is_taken_out_of_redirects(world):
    who = made(world, type="API_KEY", value={"apiKey": "pathsecret"},
               config={"hosts": ["api.test"], "inject": [{"path": "/v1/${apiKey}"}]})
    world.upstream.answer = answer(b"", "302 Found", "Location: https://api.test/v1/pathsecret/next")
    response = world.call(**who)
    assert response.fields.get("location") == "http://api.test/next"
    assert world.upstream.last().target == "/v1/pathsecret/"


def test_moving_the_injection_needs_the_secret_again(world):
    who = made(world)
    path = f"/api/v1/connections/{who['connection']}"
    moved = {"config": {"inject": [{"json": "/note", "value": "${token}"}]}}
    refused = world.daemon.api("PATCH", path, moved)
    assert (refused.status, refused.code) == (409, "secret-required")
    assert world.daemon.api("PATCH", path, {**moved, "value": {"token": "new"}}).status == 200


@pytest.mark.parametrize("name", ["X_Api_Key", "Api_Key", "X_Forwarded_For", "X-HTTP_Method_Override", "Proxy_Authorization"])
def test_an_underscore_spelling_of_what_is_removed_is_removed_too(world, name):
    assert world.call(fields=[f"{name}: x"]).status == 200
    assert name not in world.upstream.last().fields


def test_the_token_of_a_later_end_can_be_revoked_by_an_administrator_over_the_api(world):
    admin = world.daemon.api("POST", "/api/v1/authorizations",
                             {"name": "a", "capabilities": ["*"], "connections": ["*"], "expires": "1h"}).json()
    later = world.daemon.authorize(world.connection["id"], expires="24h")
    path = f"/api/v1/authorizations/{later['id']}"
    assert world.daemon.api("DELETE", path, token=admin["token"]).status == 204
    assert world.call(token=later["token"]).status == 407


def test_one_token_used_by_many_at_once_ends_for_all_of_them(world):
    for _ in range(3):
        made_token = world.daemon.authorize(world.connection["id"])
        clients = [Client(world.daemon.proxy) for _ in range(8)]
        request = world.head(token=made_token["token"])
        for client in clients:
            client.send(request)
        assert [client.response().status for client in clients] == [200] * 8
        world.daemon.api("DELETE", f"/api/v1/authorizations/{made_token['id']}")
        for client in clients:
            client.send(request)
        assert [client.response().status for client in clients] == [407] * 8
        for client in clients:
            client.close()


def test_a_hangup_signal_does_not_end_the_daemon(world):
    world.daemon.signal(signal.SIGHUP)
    until(lambda: "reloaded" in world.daemon.log_file.read_text(), what="the line about it")
    assert world.call().status == 200


def test_an_exception_to_our_own_listener_is_prohibited(make_daemon, world):
    daemon = make_daemon({"upstream": {"hosts": {"loop.test:443": {"resolve": "127.0.0.1:1"}}}})
    daemon.init().start()
    port = daemon.proxy.rsplit(":", 1)[1] if isinstance(daemon.proxy, str) else daemon.proxy[1]
    daemon.stop()
    settings = {"listen": {"proxy": f"127.0.0.1:{port}"},
                "upstream": {"hosts": {"loop.test:443": {"resolve": f"127.0.0.1:{port}"}}}}
    second = make_daemon(settings)
    second.init().start()
    connection = second.connect(alias="loop", config={"hosts": ["loop.test"]})
    with Client(second.proxy) as client:
        client.send(world.head(host="loop.test", connection="loop", token=second.token(connection["id"])))
        assert client.response().code == "destination-address-prohibited"
    assert second.stop() == 0


@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/token/", "/o%61uth/token", "/OAuth/Token", "/oauth/token%20",
                                  "/oauth/token%00", "/oauth/authorize"])
def test_the_providers_own_endpoints_are_never_for_callers(oauth_world, path):
    world, who = oauth_world
    assert world.call(path=path, **who).code == "destination-not-allowed"
    assert world.call(path="/" + quote("oauth-not"), **who).status == 200


@pytest.fixture(scope="module")
def oauth_world(make_daemon, make_upstream, ca, catalog):
    from conftest import World, world_settings
    upstream = make_upstream()
    world = World(make_daemon({**world_settings(upstream, ca), "catalog": [str(catalog)]}), upstream, ca)
    connection = world.daemon.connect(alias="o", app="withoauth", type="API_KEY", value={"apiKey": "k-secret"}, config={})
    yield world, {"connection": "o", "token": world.daemon.token(connection["id"])}
    assert world.daemon.stop() == 0


def test_a_connection_whose_provider_left_the_catalog_says_so(make_daemon, make_upstream, ca, catalog):
    from conftest import World, world_settings
    upstream = make_upstream()
    world = World(make_daemon({**world_settings(upstream, ca), "catalog": [str(catalog)]}), upstream, ca)
    connection = world.daemon.connect(alias="o", app="withoauth", type="API_KEY", value={"apiKey": "k-secret"}, config={})
    token = world.daemon.token("*")
    assert connection["status"] == "ACTIVE"
    assert world.daemon.stop() == 0
    (catalog / "withoauth.yaml").unlink()
    world.daemon.start()
    response = world.call(connection="o", token=token)
    assert (response.status, response.code) == (403, "connection-error")
    (catalog / "withoauth.yaml").write_text(ENTRY)
    assert world.daemon.stop() == 0
