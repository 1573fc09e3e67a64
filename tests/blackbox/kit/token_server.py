"""A scripted provider: token, revocation, introspection and authorization endpoints, and an API that takes what they issue.

`Provider` knows which tokens are good, on a clock that tests move; `TokenServer` speaks for it over TLS (RFC 6749, 7009,
7636, 7662, 9207, and a two-step login that is not OAuth); `ApiServer` takes the access tokens that are good at that
moment. One provider may have several servers. Paths of a TokenServer: /token /revoke /introspect /authorize /login and
/app/installations/<id>/access_tokens.

    provider.rotation = "none" | "rotate"     what a refresh does to the refresh token
    provider.grace = 5                        seconds in which a spent refresh token still gives the same new one; 0: none
    provider.reuse = "refuse" | "revoke"      a spent one after the grace: refused, or the whole family ends
    server.fault = FAULTS[…] or a function    instead of an answer of the token endpoint
    gate = server.hold("received")            token requests stop there until gate.release() or gate.drop()
"""
import base64
import binascii
import hashlib
import itertools
import json
import threading
import time
import urllib.parse

from .upstream import Upstream, answer

JSON = "Content-Type: application/json"
numbers = itertools.count(1)


def token(kind):
    """A token that nobody else has, and that a search for secrets finds."""
    return f"{kind}-{next(numbers)}-{binascii.hexlify(hashlib.sha256(str(time.time_ns()).encode()).digest()[:12]).decode()}"


def json_answer(value, status="200 OK", *fields):
    return answer(json.dumps(value), status, JSON, "Cache-Control: no-store", *fields)


class Refusal(Exception):
    def __init__(self, error, status="400 Bad Request", text=None, *fields):
        super().__init__(error)
        self.answer = json_answer({"error": error, **({"error_description": text} if text else {})}, status, *fields)


class Family:
    """All tokens that come from one consent."""

    def __init__(self, client, account, scope=""):
        self.client, self.account, self.scope = client, account, scope
        self.revoked = False


class Refresh:
    def __init__(self, family):
        self.family = family
        self.spent = self.successor = self.answer = None


class Provider:
    def __init__(self):
        self.lock = threading.RLock()
        self.rotation, self.grace, self.reuse = "none", 0, "refuse"
        self.lifetime, self.refresh_lifetime = 3600, None
        self.account, self.issuer = "acct-1", None
        self.next_access = []  # access tokens to answer with first, in order
        self.extra = {}  # members to add to every answer
        self.refresh_tokens, self.access_tokens, self.codes = {}, {}, {}
        self._shift = 0.0

    def now(self):
        return time.monotonic() + self._shift

    def advance(self, seconds):
        self._shift += seconds

    # what tests put in and ask
    def grant(self, client="acme-client", account=None, lifetime=None, access=True):
        """(refresh token, access token or None) as an earlier consent would have left them."""
        with self.lock:
            family = Family(client, account or self.account)
            made = token("refresh")
            self.refresh_tokens[made] = Refresh(family)
            return made, self.issue_access(family, lifetime) if access else None

    def issue_access(self, family, lifetime=None, made=None):
        made = made or token("access")
        life = self.lifetime if lifetime is None else lifetime
        self.access_tokens[made] = (family, self.now() + (life if life is not None else 10**9))
        return made

    def is_good(self, access):
        """The account of an access token that is good now; None otherwise."""
        with self.lock:
            family, end = self.access_tokens.get(access, (None, 0))
            return family.account if family and not family.revoked and self.now() < end else None

    def spoil(self, access):
        """This access token is refused from now on, whatever its lifetime said."""
        with self.lock:
            self.access_tokens.pop(access, None)

    def forget(self, refresh):
        """The consent is withdrawn: its refresh token is refused; access tokens live on until they end."""
        with self.lock:
            self.refresh_tokens.pop(refresh, None)

    def families(self):
        with self.lock:
            return {id(r.family): r.family for r in self.refresh_tokens.values()}.values()

    # grants
    def answer_for(self, family, refresh=None, account=True):
        named = self.next_access.pop(0) if self.next_access else None
        value = {"access_token": self.issue_access(family, made=named), "token_type": "Bearer"}
        if self.lifetime is not None:
            value["expires_in"] = self.lifetime
        if refresh:
            value["refresh_token"] = refresh
            if self.refresh_lifetime:
                value["refresh_token_expires_in"] = self.refresh_lifetime
        if family.scope:
            value["scope"] = family.scope
        if account:
            value["account"] = family.account
        return {**value, **self.extra}

    def refresh(self, sent, client):
        with self.lock:
            known = self.refresh_tokens.get(sent)
            if known is None or known.family.client != client or known.family.revoked:
                raise Refusal("invalid_grant", text="The refresh token is unknown or revoked.")
            if known.spent is not None:
                if self.now() - known.spent < self.grace:
                    return known.answer
                if self.reuse == "revoke":
                    known.family.revoked = True
                raise Refusal("invalid_grant", text="The refresh token was used before.")
            if self.rotation == "none":
                return self.answer_for(known.family)
            made = token("refresh")
            self.refresh_tokens[made] = Refresh(known.family)
            known.spent, known.successor = self.now(), made
            known.answer = self.answer_for(known.family, made)
            return known.answer

    def code(self, form, client):
        with self.lock:
            known = self.codes.pop(form.get("code"), None)
            if known is None or known["client_id"] != client or known["redirect_uri"] != form.get("redirect_uri"):
                raise Refusal("invalid_grant", text="The code is unknown, used, or of another redirect_uri.")
            if "code_challenge" in known:
                digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
                if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != known["code_challenge"]:
                    raise Refusal("invalid_grant", text="The code_verifier does not fit.")
            family = Family(client, self.account, known.get("scope", ""))
            refresh = token("refresh")
            self.refresh_tokens[refresh] = Refresh(family)
            return self.answer_for(family, refresh)

    def without_person(self, client, scope=""):
        with self.lock:
            return self.answer_for(Family(client, client, scope), account=False)

    def revoke(self, sent):
        """RFC 7009: a refresh token ends all of its family, an access token itself."""
        with self.lock:
            if sent in self.refresh_tokens:
                self.refresh_tokens[sent].family.revoked = True
            self.access_tokens.pop(sent, None)

    def introspect(self, sent):
        with self.lock:
            known = self.refresh_tokens.get(sent)
            active = self.is_good(sent) is not None or (
                known is not None and known.spent is None and not known.family.revoked)
            return {"active": active}


class Gate:
    """Where token requests stop: wait until one is there, then let it go on or cut it."""

    def __init__(self):
        self.reached, self._go = threading.Event(), threading.Event()
        self.dropped = False

    def wait(self, seconds=20):
        assert self.reached.wait(seconds), "no token request came"
        return self

    def release(self):
        self._go.set()

    def drop(self):
        """The connection is cut instead; at "received" nothing has been done with the request."""
        self.dropped = True
        self._go.set()

    def stop_here(self, exchange=None):
        self.reached.set()
        self._go.wait(60)
        if self.dropped and exchange:
            exchange.cut()
        return not self.dropped


def hang(exchange, _):
    exchange.wait_until_peer_leaves()


FAULTS = {
    "500": answer("oops", "500 Internal Server Error", "Content-Type: text/plain"),
    "500 invalid_grant": json_answer({"error": "invalid_grant"}, "500 Internal Server Error"),
    "429": answer("slow down", "429 Too Many Requests", "Retry-After: 2"),
    "503 html": answer("<html>maintenance</html>", "503 Service Unavailable", "Content-Type: text/html"),
    "invalid_grant": json_answer({"error": "invalid_grant"}, "400 Bad Request"),
    "invalid_client": json_answer({"error": "invalid_client"}, "401 Unauthorized"),
    "unauthorized_client": json_answer({"error": "unauthorized_client"}, "400 Bad Request"),
    "error in a 200": json_answer({"error": "invalid_grant"}),
    "garbage": b"\x16\x03\x01\x00\xff not http\r\n\r\n",
    "not json": answer("{\"access_token\": ", "200 OK", JSON),
    "no token": json_answer({"token_type": "Bearer", "expires_in": 3600}),
    "token with a line break": json_answer({"access_token": "abc\r\nX-Evil: 1", "expires_in": 3600}),
    "huge": answer(b" " * (4 << 20) + b'{"access_token":"too-late","expires_in":3600}', "200 OK", JSON),
    "redirect": answer("", "307 Temporary Redirect", "Location: https://other.test/token"),
    "close": lambda exchange, _: exchange.close(),
    "reset": lambda exchange, _: exchange.reset(),
    "hang": hang,
}


class TokenServer:
    def __init__(self, certificate, key, provider=None, *, clients=None):
        self.provider = provider or Provider()
        self.clients = clients if clients is not None else {"acme-client": "acme-client-secret"}
        self.check_client = self.check_secret  # or a function of (request, form) that answers the client's id
        self.check_assertion = None  # of JWT bearer and GitHub App: a function of the JWT that answers the account
        self.subjects = {}  # of a token exchange: account by subject token
        self.logins = {"robot": "robot-password"}  # of /login
        self.fault, self.denies, self.sent_issuer = None, None, None
        self.token_requests, self.revocations, self.introspections = [], [], []
        self.authorizations, self.redirected = [], []
        self.gates = {}
        self.answered = 0  # token requests that got an answer
        self.upstream = Upstream(certificate, key)
        self.upstream.answer = self.serve
        self.upstream.before_handshake = self._connected
        self.address = self.upstream.address

    def stop(self):
        self.cut()
        self.upstream.stop()

    def hold(self, point):
        """"connected": before the TLS handshake; "received": read and not looked at; "handled": done (a rotating token
        is spent), the answer not yet sent."""
        assert point in ("connected", "received", "handled")
        self.gates[point] = Gate()
        return self.gates[point]

    def cut(self):
        """Token requests are held no more, those that are held are cut."""
        gates, self.gates = self.gates, {}
        for gate in gates.values():
            gate.drop()

    def go_on(self):
        """Token requests are held no more, those that are held go on."""
        gates, self.gates = self.gates, {}
        for gate in gates.values():
            gate.release()

    def _connected(self):
        gate = self.gates.get("connected")
        return gate is None or gate.stop_here()

    # --- the endpoints
    def serve(self, exchange, request):
        path, _, query = request.target.partition("?")
        request.query = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        try:
            route = {"/token": self.token, "/revoke": self.revoke, "/introspect": self.introspect,
                     "/authorize": self.authorize, "/login": self.login}.get(path)
            if path.startswith("/app/installations/"):
                route = self.installation
            reply = route(exchange, request) if route else answer("no such page", "404 Not Found")
        except Refusal as refusal:
            reply = refusal.answer
        if reply is not None:
            self.answered += route in (self.token, self.login, self.installation)  # before the asker can look at it
            exchange.send(reply)

    def form(self, request):
        kind = request.fields.get("content-type") or ""
        if kind.startswith("application/json"):
            return json.loads(request.body or b"{}")
        return dict(urllib.parse.parse_qsl(request.body.decode(), keep_blank_values=True))

    def check_secret(self, request, form):
        scheme, _, value = (request.fields.get("authorization") or "").partition(" ")
        if scheme == "Basic":
            client, _, secret = base64.b64decode(value).decode().partition(":")
            client, secret = urllib.parse.unquote_plus(client), urllib.parse.unquote_plus(secret)
        else:
            client, secret = form.get("client_id"), form.get("client_secret")
        if client not in self.clients or self.clients[client] != secret:
            raise Refusal("invalid_client", "401 Unauthorized")
        return client

    def token(self, exchange, request):
        form = self.form(request)
        self.token_requests.append(form)
        return self._between_gates(exchange, request, lambda: self._grant(request, form))

    def login(self, exchange, request):
        """A two-step login: {"user", "password"} for {"session": {"key", "ttl_ms"}}."""
        form = self.form(request)
        self.token_requests.append(form)

        def handle():
            if self.logins.get(form.get("user")) != form.get("password"):
                return json_answer({"ok": False, "message": "bad_login"})
            made = self.provider.without_person(form["user"])
            return json_answer({"ok": True, "session": {"key": made["access_token"], "ttl_ms": made["expires_in"] * 1000}})

        return self._between_gates(exchange, request, handle)

    def installation(self, exchange, request):
        """An installation token of a GitHub App: its JWT for {"token", "expires_at"}."""
        self.token_requests.append(self.form(request))

        def handle():
            self.check_assertion((request.fields.get("authorization") or "").removeprefix("Bearer "))
            made = self.provider.without_person(request.target.split("/")[3])
            end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + made["expires_in"]))
            return json_answer({"token": made["access_token"], "expires_at": end}, "201 Created")

        return self._between_gates(exchange, request, handle)

    def _between_gates(self, exchange, request, handle):
        received = self.gates.get("received")
        if received and not received.stop_here(exchange):
            return None
        if self.fault is not None:
            return self._fault(exchange, request)
        try:
            reply = handle()
        except Refusal as refusal:
            reply = refusal.answer
        handled = self.gates.get("handled")
        return reply if handled is None or handled.stop_here(exchange) else None

    def _fault(self, exchange, request):
        return self.fault(exchange, request) if callable(self.fault) else self.fault

    def _grant(self, request, form):
        kind = form.get("grant_type")
        if kind == "urn:ietf:params:oauth:grant-type:jwt-bearer":
            if self.check_assertion is None:
                raise Refusal("unsupported_grant_type")
            return json_answer(self.provider.without_person(self.check_assertion(form.get("assertion", ""))))
        client = self.check_client(request, form)
        if kind == "refresh_token":
            return json_answer(self.provider.refresh(form.get("refresh_token"), client))
        if kind == "authorization_code":
            return json_answer(self.provider.code(form, client))
        if kind == "client_credentials":
            return json_answer(self.provider.without_person(client, form.get("scope", "")))
        if kind == "urn:ietf:params:oauth:grant-type:token-exchange":
            if form.get("subject_token") not in self.subjects:
                raise Refusal("invalid_grant")
            return json_answer(self.provider.without_person(self.subjects[form["subject_token"]]))
        raise Refusal("unsupported_grant_type")

    def revoke(self, exchange, request):
        form = self.form(request)
        self.revocations.append(form)
        if self.fault is not None:
            return self._fault(exchange, request)
        self.check_client(request, form)
        self.provider.revoke(form.get("token"))
        return answer()

    def introspect(self, _, request):
        form = self.form(request)
        self.introspections.append(form)
        self.check_client(request, form)
        return json_answer(self.provider.introspect(form.get("token")))

    def authorize(self, _, request):
        """A person who agrees at once (or, with `denies`, refuses with that error)."""
        asked = request.query
        self.authorizations.append(asked)
        if asked.get("client_id") not in self.clients or asked.get("response_type") != "code":
            return answer("unknown client or response type", "400 Bad Request")
        back = {"state": asked.get("state", "")}
        if self.denies:
            back.update(error=self.denies, error_description="The person said no.")
        else:
            code = token("code")
            known = {k: asked[k] for k in ("client_id", "redirect_uri", "scope") if k in asked}
            if "code_challenge" in asked:
                if asked.get("code_challenge_method") != "S256":
                    return answer("only S256", "400 Bad Request")
                known["code_challenge"] = asked["code_challenge"]
            self.provider.codes[code] = known
            back["code"] = code
        if self.sent_issuer:
            back["iss"] = self.sent_issuer
        where = asked["redirect_uri"] + "?" + urllib.parse.urlencode(back)
        self.redirected.append(where)
        return answer("", "302 Found", f"Location: {where}")


class ApiServer:
    """Says who calls, to those whose access token is good: {"id": account}; else 401 (RFC 6750)."""

    def __init__(self, certificate, key, provider):
        self.provider = provider
        self.upstream = Upstream(certificate, key)
        self.upstream.answer = self.serve
        self.address = self.upstream.address
        self.refusal = answer("expired", "401 Unauthorized", 'WWW-Authenticate: Bearer realm="api", error="invalid_token"')
        self.before = None  # a function of (exchange, request) that may answer instead, and then is true

    def stop(self):
        self.upstream.stop()

    @property
    def requests(self):
        return self.upstream.requests

    @staticmethod
    def token_of(request):
        scheme, _, value = (request.fields.get("authorization") or "").partition(" ")
        return value if scheme == "Bearer" else request.fields.get("x-session")

    def serve(self, exchange, request):
        if self.before and self.before(exchange, request):
            return
        account = self.provider.is_good(self.token_of(request))
        exchange.send(json_answer({"id": account}) if account else self.refusal)
