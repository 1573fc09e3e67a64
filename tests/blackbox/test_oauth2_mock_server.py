"""oauth2-mock-server as the service: a second provider that others have written, with answers that it is told to give."""
import json

import pytest
from kit import until
from kit.node_provider import NodeProvider
from kit.oauth import Browser, entry, utc

HOST = "https://login.test"
CODE = {"type": "OAUTH2", "authorize": {"url": f"{HOST}/authorize", "pkce": "required"}, "token": {"url": f"{HOST}/token"},
        "revoke": {"url": f"{HOST}/revoke"}, "scopes": {"default": ["openid"]}}


@pytest.fixture
def mock(leaf, tmp_path):
    made = NodeProvider("mock", leaf, tmp_path).begin()
    yield made
    made.stop()


@pytest.fixture
def oauth(make_oauth, mock):
    made = make_oauth(entries=[entry({"oauth": CODE}, verify=None)], hosts={"login.test:443": mock.address})
    made.provider.is_good = lambda access: access and "someone"  # the API takes any token
    return made


def test_the_mock_itself_is_what_these_tests_think(mock, ca):
    browser = Browser({"login.test:443": mock.address}, ca)

    def ask():
        return browser.fetch(f"{HOST}/token", "POST", {"grant_type": "refresh_token", "refresh_token": "any"})

    mock.next_answer(merge={"expires_in": "7"})
    mock.next_answer(status=503, body={"error": "x"})
    assert json.loads(ask().body)["expires_in"] == "7"
    assert ask().status == 503
    last = json.loads(ask().body)
    assert last["expires_in"] == 3600 and last["refresh_token"] and last["access_token"].count(".") == 2
    until(lambda: mock.answers == [200, 503, 200])


def pasted(oauth):
    return oauth.connect(access=False)


def test_a_connection_is_made_and_used(oauth, mock):
    link = oauth.made("/api/v1/links", {"authConfig": oauth.auth_config["id"], "name": "Mock"})
    browser = oauth.browser()
    leaving = browser.submit(browser.get(link["url"]).form())
    page = browser.follow(browser.follow(leaving))
    assert browser.submit(page.form("/confirm")).status == 200
    id = oauth.daemon.api("GET", f"/api/v1/links/{link['id']}").json()["connection"]
    assert oauth.call(id).status == 200
    assert mock.answers == [200]
    assert oauth.api.token_of(oauth.api.requests[0]).count(".") == 2, "its access tokens are JWTs"


@pytest.mark.parametrize("merge, seconds", [
    ({"expires_in": "600"}, 600), ({"expires_in": 600.0}, 600), ({"expires_in": -1}, 3600), ({"expires_in": 0}, 3600), ({"expires_in": None}, 3600)])
def test_lifetimes_as_providers_write_them(oauth, mock, merge, seconds):
    """Where the answer says nothing of use, the end that the JWT itself names counts."""
    mock.next_answer(merge=merge)
    connection = pasted(oauth)
    assert connection.call().status == 200
    assert utc(seconds - 60) < connection.show()["expires"] < utc(seconds + 5)


@pytest.mark.parametrize("status, body", [(500, {"error": "invalid_grant"}), (503, {}), (429, {"error": "slow_down"}), (200, {}), (200, "")])
def test_transient_faults_heal(oauth, mock, status, body):
    mock.next_answer(status=status, body=body)
    connection = pasted(oauth)
    assert connection.call().code == "token-endpoint-unavailable"
    until(lambda: connection.call().status == 200, 60, "recovery")
    assert mock.answers == [status, 200]


def test_a_refusal_is_for_good(oauth, mock):
    mock.next_answer(status=400, body={"error": "invalid_grant"})
    connection = pasted(oauth)
    assert connection.call().code == "connection-needs-reconnect"
    assert connection.call().code == "connection-needs-reconnect"
    assert mock.answers == [400]


def test_the_refresh_token_is_followed_when_it_changes(oauth, mock):
    connection = pasted(oauth)
    assert connection.call().status == 200
    first = connection.show()["generation"]
    mock.next_answer(merge={"expires_in": 3})
    oauth.api.before = lambda exchange, request: len(oauth.api.requests) == 2 and (exchange.send(oauth.api.refusal) or True)
    assert connection.call().status == 200
    until(lambda: connection.show()["generation"] >= first + 2, 20, "the next refresh")
    assert connection.call().status == 200
