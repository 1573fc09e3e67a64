"""One provider "acme", made by hand in a `catalog:` folder, with its servers; a daemon that knows it; a browser.

token.test (tokens, revocation, introspection, two-step login), login.test (the page where people agree; the same server)
and api.test are exceptions of `upstream.hosts`, like those of the other tests. The shapes of requests and answers are those
of DESIGN section 10; where it leaves one open, the test files say at their top what they rely on.
"""
import datetime
import http.client
import itertools
import json
import re
import socket
import ssl
import urllib.parse
from html.parser import HTMLParser

from . import until
from .contract import must_be_as_documented
from .daemon import Daemon, merged
from .http1 import Client, basic
from .token_server import ApiServer, TokenServer

names = itertools.count(1)

OAUTH = {
    "type": "OAUTH2",
    "authorize": {"url": "https://login.test/authorize", "pkce": "required"},
    "token": {"url": "https://token.test/token", "client_auth": "basic"},
    "refresh": {"rotates": "maybe"},
    "answer": {"account": "account"},
    "revoke": {"url": "https://token.test/revoke"},
    "scopes": {"default": ["read", "write"]},
}


def entry(auth=None, **members):
    """A catalog entry. `auth`: its ways to authenticate by name; default: one of type OAUTH2. None takes a member away."""
    return merged({"id": "acme", "title": "Acme", "docs": "https://docs.test/", "base_url": "https://api.test",
                   "hosts": ["api.test"], "auth": auth or {"oauth": OAUTH},
                   "verify": {"get": "/me", "expect": 200, "account": "id"}}, members)


def utc(seconds):
    """The time in so many seconds, as `expiresAt` takes it and `expires` gives it."""
    then = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return then.strftime("%Y-%m-%dT%H:%M:%S.") + f"{then.microsecond // 1000:03}Z"


class OAuthWorld:
    """Everything of one test. `entries`: the catalog; `settings`: more configuration; `hosts`: more upstream.hosts."""

    def __init__(self, folder, leaf, ca, *, entries=None, settings=None, hosts=None, clients=None, api=None):
        self.ca = ca
        self.server = TokenServer(*leaf, clients=clients)
        self.provider = self.server.provider
        self.api = ApiServer(*leaf, self.provider)
        known = {"token.test:443": self.server.address, "login.test:443": self.server.address,
                 "api.test:443": api or self.api.address, **(hosts or {})}
        self.catalog = folder / "providers"
        self.catalog.mkdir()
        for one in entries or [entry()]:
            (self.catalog / f"{one['id']}.yaml").write_text(json.dumps(one, indent=1))
        self.daemon = Daemon(folder / "postern", merged({
            "catalog": [str(self.catalog)],
            "upstream": {"hosts": {name: {"resolve": where, "trust": str(ca.pem)} for name, where in known.items()}},
        }, settings or {}))
        self.daemon.init().start()
        self.browser_hosts = known
        self._auth_config = None
        self._callers = {}

    def end(self):
        process = self.daemon.process
        if process is not None and process.poll() is None:
            process.kill()
            process.wait()
        self.server.stop()
        self.api.stop()

    # --- what administrators do
    def made(self, path, body, status=201):
        answer = self.daemon.api("POST", path, body)
        assert answer.status == status, (path, answer.status, answer.body)
        return answer.json()

    @property
    def auth_config(self):
        """The one that connections of this world have unless told otherwise."""
        if self._auth_config is None:
            self._auth_config = self.new_auth_config()
        return self._auth_config

    def new_auth_config(self, client="acme-client", **members):
        return self.made("/api/v1/auth_configs", merged({
            "name": "Our Acme app", "provider": "acme",
            "value": {"clientId": client, "clientSecret": self.server.clients.get(client, "unknown")}}, members))

    def connect(self, *, access=True, lifetime=3600, expires=None, account=None, **members):
        """A connection made by hand from a consent that Acme knows. `lifetime`: of its access token, in seconds, to us;
        Acme itself takes the token for longer, so that no clock's edge decides a test."""
        client = members.pop("client", "acme-client")
        refresh, access_token = self.provider.grant(client, account, max(lifetime, 0) + 3600, access)
        value = {"refreshToken": refresh}
        if access:
            value.update(accessToken=access_token, expiresAt=expires or utc(lifetime))
        number = next(names)
        made = self.made("/api/v1/connections", merged({
            "name": f"Acme {number}", "app": "acme", "type": "OAUTH2", "authConfig": members.get("authConfig") or self.auth_config["id"],
            "alias": f"acme-{number}", "value": value}, members))
        self.caller(made["id"])  # now: some tests take the disk away
        return Acme(self, made, refresh, access_token)

    def held_renewal(self, point):
        """A request that began to renew an ended token, held at `point` of the token server: the gate, the connection, and
        the client that waits for its answer."""
        gate = self.server.hold(point)
        connection = self.connect(lifetime=-5)
        client = connection.begin()
        gate.wait()
        return gate, connection, client

    def show(self, id):
        answer = self.daemon.api("GET", f"/api/v1/connections/{id}")
        assert answer.status == 200, answer.body
        return answer.json()

    def metric(self, name):
        """A sample's value by its name and labels as they are written; 0 without it."""
        text = self.daemon.api("GET", "/metrics").body.decode()
        found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.M)
        return float(found[1]) if found else 0.0

    # --- what callers do
    def caller(self, id):
        if id not in self._callers:
            self._callers[id] = self.daemon.token(id)
        return self._callers[id]

    def head(self, connection, method="GET", path="/me", *, fields=(), body=None, host="api.test"):
        lines = [f"{method} http://{host}{path} HTTP/1.1", f"Host: {host}", f"X-Connection-Id: {connection}",
                 f"Proxy-Authorization: {basic('-', self.caller(connection))}", *fields]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + (body or b"")

    def client(self, **options):
        return Client(self.daemon.proxy, **{"timeout": 40, **options})

    def call(self, connection, method="GET", path="/me", **options):
        with self.client() as client:
            client.send_as_far_as_it_goes(self.head(connection, method, path, **options))
            return client.response(method)

    def browser(self):
        return Browser(self.browser_hosts, self.ca)


class Acme:
    """A connection of this provider, by hand."""

    def __init__(self, world, made, refresh=None, access=None):
        self.world, self.made, self.id = world, made, made["id"]
        self.refresh, self.access = refresh, access

    def show(self):
        return self.world.show(self.id)

    def call(self, *arguments, **options):
        return self.world.call(self.id, *arguments, **options)

    def begin(self, *arguments, **options):
        """Sends a request and leaves its answer to the caller."""
        client = self.world.client()
        client.send(self.world.head(self.id, *arguments, **options))
        return client

    def becomes(self, seconds=20, **members):
        """Waits until the connection shows these members."""
        def fits():
            shown = self.show()
            return all(shown.get(k) == v for k, v in members.items()) and shown
        try:
            return until(fits, seconds)
        except AssertionError:
            raise AssertionError(f"wanted {members}, is {self.show()}") from None


class Page:
    """What a browser shows: status, fields, text, and the forms with their hidden fields."""

    def __init__(self, url, status, fields, body):
        self.url, self.status, self.fields, self.body = url, status, fields, body
        self.text = body.decode("utf-8", "replace")
        self.forms = []
        parser = HTMLParser()
        parser.handle_starttag = self._tag
        if "html" in (fields.get("content-type") or ""):
            parser.feed(self.text)

    def _tag(self, name, attributes):
        attributes = dict(attributes)
        if name == "form":
            action = urllib.parse.urljoin(self.url, attributes.get("action") or self.url)
            self.forms.append({"action": action, "method": (attributes.get("method") or "get").lower(), "fields": {}})
        elif name == "input" and self.forms and attributes.get("name"):
            self.forms[-1]["fields"][attributes["name"]] = attributes.get("value") or ""

    def form(self, ending=""):
        """The one form whose action ends so."""
        found = [f for f in self.forms if f["action"].endswith(ending)]
        assert len(found) == 1, (ending, self.status, self.text)
        return found[0]

    @property
    def location(self):
        return urllib.parse.urljoin(self.url, self.fields["location"])


class Browser:
    """Cookies by host, pages and forms; follows a redirect only when told to. Hosts of `known` are reached where it says."""

    def __init__(self, known, ca):
        self.known, self.cookies, self.set_cookies = known, {}, []
        self.context = ssl.create_default_context(cafile=str(ca.pem))

    def _connection(self, url):
        port = url.port or (443 if url.scheme == "https" else 80)
        host, _, real = (self.known.get(f"{url.hostname}:{port}") or f"{url.hostname}:{port}").rpartition(":")
        if url.scheme == "http":
            return http.client.HTTPConnection(host, int(real), timeout=30)
        made = http.client.HTTPSConnection(url.hostname, port, timeout=30)
        made.sock = self.context.wrap_socket(socket.create_connection((host, int(real)), 30), server_hostname=url.hostname)
        return made

    def fetch(self, url, method="GET", form=None, headers=None):
        parts = urllib.parse.urlsplit(url)
        sent = dict(headers or {})
        jar = self.cookies.setdefault(parts.hostname, {})
        if jar:
            sent["Cookie"] = "; ".join(f"{k}={v}" for k, v in jar.items())
        data = None
        if form is not None:
            data = urllib.parse.urlencode(form)
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        connection = self._connection(parts)
        sent["Host"] = parts.netloc
        try:
            connection.request(method, (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), data, sent)
            response = connection.getresponse()
            page = Page(url, response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
            if parts.path.startswith(("/connect", "/oauth/callback")):  # a page of ours
                must_be_as_documented(method, parts.path, page.status, page.fields.items(), page.body)
            for line in response.headers.get_all("Set-Cookie") or []:
                self.set_cookies.append(line)
                name, _, value = line.split(";")[0].partition("=")
                gone = "max-age=0" in line.lower() or "1970" in line
                jar.pop(name.strip(), None) if gone else jar.__setitem__(name.strip(), value.strip())
            return page
        finally:
            connection.close()

    def get(self, url, **options):
        return self.fetch(url, **options)

    def submit(self, form, **fields):
        """Presses the form's button, as a page of the same origin does."""
        parts = urllib.parse.urlsplit(form["action"])
        return self.fetch(form["action"], "POST", {**form["fields"], **fields},
                          {"Origin": f"{parts.scheme}://{parts.netloc}", "Sec-Fetch-Site": "same-origin",
                           "Sec-Fetch-Mode": "navigate"})

    def follow(self, page):
        assert page.status in (302, 303), (page.status, page.text)
        return self.fetch(page.location, headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"})
