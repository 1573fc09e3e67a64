"""The certified oidc-provider as the service: its login page, rotation with reuse detection, revocation, introspection, both
client authentications. It compares redirect URIs and verifiers, sends `iss` (RFC 9207), and ends a grant when a spent refresh token returns.
"""
import base64
import json

import pytest
from kit import until
from kit.jwt import Key
from kit.node_provider import NodeProvider
from kit.oauth import Acme, Browser, entry

ISSUER = "https://login.test"
SECRET = "acme-client-secret-of-32-characters"
VALUE = {"clientId": "acme-client", "clientSecret": SECRET}
CODE = {
    "type": "OAUTH2",
    "authorize": {"url": f"{ISSUER}/auth", "pkce": "required", "params": {"prompt": "consent"}},
    "token": {"url": f"{ISSUER}/token", "client_auth": "basic"},
    "refresh": {"rotates": "yes"},
    "revoke": {"url": f"{ISSUER}/token/revocation"},
    "introspect": {"url": f"{ISSUER}/token/introspection"},
    "scopes": {"default": ["openid", "offline_access"]},
}
PERSON = entry({"oauth": CODE}, base_url=ISSUER, hosts=["login.test"], verify={"account": "sub"})


@pytest.fixture
def provider(leaf, tmp_path):
    made = NodeProvider("oidc", leaf, tmp_path)
    yield made
    made.stop()


@pytest.fixture
def browser(provider, ca):
    return Browser({"login.test:443": provider.address}, ca)


def follow_here(browser, page):
    """Redirects inside the provider, until a page or the way out."""
    while page.status in (302, 303) and page.location.startswith(ISSUER):
        page = browser.get(page.location)
    return page


def log_in(browser, url, login="ada"):
    """The provider's own pages: login, consent; the redirect back to the client."""
    page = follow_here(browser, browser.get(url))
    page = follow_here(browser, browser.submit(page.form(), login=login, password="any"))
    if page.status == 200:
        page = follow_here(browser, browser.submit(page.form()))
    assert page.status in (302, 303), page.text
    return page


def ask(browser, path, client="acme-client", **form):
    """A call of ours to the provider, as its client."""
    authorization = "Basic " + base64.b64encode(f"{client}:{SECRET}".encode()).decode()
    page = browser.fetch(ISSUER + path, "POST", form, {"Authorization": authorization})
    return page.status, json.loads(page.body or b"{}")


class World:
    """A connection that a person has made through the provider's pages."""

    def __init__(self, make_oauth, provider, ca, lifetime=3600):
        self.oauth = make_oauth(entries=[PERSON], hosts={"login.test:443": provider.address})
        provider.begin(issuer=ISSUER, redirect_uri=f"http://{self.oauth.daemon.admin}/oauth/callback", lifetime=lifetime)
        self.config = self.oauth.new_auth_config(value=VALUE)

    def link(self, **members):
        return self.oauth.made("/api/v1/links", {"authConfig": self.config["id"], "name": "Ada", **members})

    def state(self, link):
        return self.oauth.daemon.api("GET", f"/api/v1/links/{link['id']}").json()

    def agree(self, link, login="ada"):
        """The last page of the flow."""
        browser = self.oauth.browser()
        leaving = browser.submit(browser.get(link["url"]).form())
        assert leaving.status == 303, leaving.text
        page = browser.get(log_in(browser, leaving.location, login).location)
        return browser.submit(page.form("/confirm")) if page.status == 200 else page

    def connect(self):
        link = self.link()
        assert self.agree(link).status == 200
        made = self.oauth.show(self.state(link)["connection"])
        self.oauth.caller(made["id"])
        return Acme(self.oauth, made)

    def me(self, connection):
        return connection.call(host="login.test")


@pytest.fixture
def make_world(make_oauth, provider, ca):
    return lambda **options: World(make_oauth, provider, ca, **options)


def test_the_provider_itself_is_what_these_tests_think(provider, browser):
    """Without postern: login page, PKCE, `iss`, rotation, and reuse detection that ends the grant."""
    provider.begin(issuer=ISSUER, redirect_uri="http://127.0.0.1:1/oauth/callback", lifetime=60)
    challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"  # RFC 7636 appendix B
    url = (f"{ISSUER}/auth?client_id=acme-client&response_type=code&scope=openid+offline_access&prompt=consent&state=s"
           f"&redirect_uri=http://127.0.0.1:1/oauth/callback&code_challenge_method=S256&code_challenge={challenge}")
    back = log_in(browser, url).location
    assert back.startswith("http://127.0.0.1:1/oauth/callback?code=") and "iss=https%3A%2F%2Flogin.test" in back
    code = back.split("code=")[1].split("&")[0]
    status, first = ask(browser, "/token", grant_type="authorization_code", code=code, redirect_uri="http://127.0.0.1:1/oauth/callback",
                        code_verifier="dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
    assert status == 200 and first["expires_in"] == 60, first
    status, second = ask(browser, "/token", grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert status == 200 and second["refresh_token"] != first["refresh_token"]
    me = browser.fetch(ISSUER + "/me", headers={"Authorization": f"Bearer {second['access_token']}"})
    assert json.loads(me.body) == {"sub": "ada"}
    assert ask(browser, "/token", grant_type="refresh_token", refresh_token=first["refresh_token"])[0] == 400
    assert ask(browser, "/token", grant_type="refresh_token", refresh_token=second["refresh_token"])[0] == 400


def test_a_person_connects_through_its_login_page(make_world):
    world = make_world()
    connection = world.connect()
    assert connection.made["status"] == "ACTIVE" and connection.made["account"] == "ada"
    response = world.me(connection)
    assert (response.status, response.json()) == (200, {"sub": "ada"})


def test_rotated_tokens_are_followed_through_many_lives(make_world):
    world = make_world(lifetime=4)
    connection = world.connect()
    generation = connection.show()["generation"]
    until(lambda: world.me(connection).status == 200 and connection.show()["generation"] >= generation + 4, 60, "four refreshes")
    assert connection.show()["status"] == "ACTIVE"


def test_a_crowd_does_not_set_off_reuse_detection(make_world):
    world = make_world(lifetime=3)
    connection = world.connect()
    generation = connection.show()["generation"]
    while connection.show()["generation"] < generation + 3:
        clients = [connection.begin(host="login.test") for _ in range(40)]
        assert {client.response().status for client in clients} == {200}
        for client in clients:
            client.close()
    assert connection.show()["status"] == "ACTIVE"


def test_reuse_detection_of_a_stolen_token_asks_for_a_reconnect(make_world, provider, ca):
    """Somebody else spends a refresh token that was pasted: the provider ends the grant, and we say so."""
    world = make_world()
    thief = Browser({"login.test:443": provider.address}, ca)
    back = log_in(thief, f"{ISSUER}/auth?client_id=acme-client&response_type=code&scope=openid+offline_access&prompt=consent&state=s"
                  f"&redirect_uri=http://{world.oauth.daemon.admin}/oauth/callback&code_challenge_method=S256"
                  "&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM").location
    tokens = ask(thief, "/token", grant_type="authorization_code", code=back.split("code=")[1].split("&")[0],
                 redirect_uri=f"http://{world.oauth.daemon.admin}/oauth/callback",
                 code_verifier="dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")[1]
    made = world.oauth.made("/api/v1/connections", {"name": "Pasted", "app": "acme", "type": "OAUTH2", "authConfig": world.config["id"],
                                                    "value": {"refreshToken": tokens["refresh_token"]}})
    connection = Acme(world.oauth, made)
    assert ask(thief, "/token", grant_type="refresh_token", refresh_token=tokens["refresh_token"])[0] == 200
    response = world.me(connection)
    assert (response.status, response.code) == (403, "connection-needs-reconnect")
    assert connection.show()["statusReason"] == "refresh_rejected"


def test_reconnecting_must_be_the_same_person(make_world):
    world = make_world()
    connection = world.connect()
    other = world.oauth.made("/api/v1/links", {"connection": connection.id})
    assert world.agree(other, "grace").status == 409
    assert world.state(other)["reason"] == "account_mismatch"
    same = world.oauth.made("/api/v1/links", {"connection": connection.id})
    assert world.agree(same, "ada").status == 200
    assert world.me(connection).json() == {"sub": "ada"}


def test_revocation_ends_it_at_the_provider(make_world):
    world = make_world()
    connection = world.connect()
    answer = world.oauth.daemon.api("POST", f"/api/v1/connections/{connection.id}/revoke")
    assert answer.status == 200
    assert [(t["token"], t["revoked"]) for t in answer.json()["tokens"]] == [("refresh_token", True)]
    assert world.me(connection).code == "connection-revoked"


def test_a_test_asks_its_user_endpoint(make_world):
    world = make_world()
    connection = world.connect()
    result = world.oauth.daemon.api("POST", f"/api/v1/connections/{connection.id}/test").json()
    assert (result["ok"], result["account"]) == (True, "ada")


def machine(make_oauth, provider, token, value, configuration, **more):
    """(world, connection) of client credentials; the API takes any token, and the provider is asked what it is."""
    auth = {"type": "OAUTH2_CLIENT_CREDENTIALS", "token": {"url": f"{ISSUER}/token", **token}, "scopes": {"default": ["api:read"]}, **more}
    oauth = make_oauth(entries=[entry({"machine": auth}, verify={"account": None})], hosts={"login.test:443": provider.address})
    provider.begin(issuer=ISSUER, redirect_uri="http://127.0.0.1:1/", lifetime=3600, **configuration)
    oauth.provider.is_good = lambda access: access
    config = oauth.new_auth_config(value={"clientSecret": None, **value})
    made = oauth.made("/api/v1/connections", {"name": "Machine", "app": "acme", "type": "OAUTH2_CLIENT_CREDENTIALS", "authConfig": config["id"]})
    return oauth, made["id"]


def test_client_credentials(make_oauth, provider, browser):
    oauth, id = machine(make_oauth, provider, {"client_auth": "basic"}, {"clientId": "machine", "clientSecret": SECRET}, {})
    response = oauth.call(id)
    assert response.status == 200
    status, told = ask(browser, "/token/introspection", "machine", token=response.json()["id"])
    assert status == 200 and told["active"] and told["client_id"] == "machine" and told["scope"] == "api:read"


def test_a_client_that_signs(make_oauth, provider, browser, tmp_path):
    key = Key(tmp_path, "RS256")
    oauth, id = machine(make_oauth, provider, {"client_auth": "private_key_jwt"}, {"clientId": "signer", "privateKey": key.pem}, {"key": key.pem})
    response = oauth.call(id)
    assert response.status == 200
    assert ask(browser, "/token/introspection", "machine", token=response.json()["id"])[0] == 200
