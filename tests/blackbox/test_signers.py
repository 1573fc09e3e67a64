"""Signed requests: every signer but AWS's through the real daemon, judged by others.

OAuth 1.0a is judged by oauthlib's server side (Debian's python3-oauthlib), HTTP message signatures by the package
cryptography, the rest by Python's hmac over what the documents of the schemes say.
"""
import base64
import hashlib
import hmac
import itertools
import json
import re
import time
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import pytest
from conftest import World, world_settings
from kit import row
from kit.daemon import merged
from kit.upstream import answer

oauthlib = pytest.importorskip("oauthlib", reason="python3-oauthlib: scripts/install test")
crypto = pytest.importorskip("cryptography", reason="python3-cryptography: scripts/install test")
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils  # noqa: E402
from oauthlib import oauth1  # noqa: E402

KEY = "s3cret-signing-key"
BINANCE, X, BLOB, QUEUE, EMARSYS, CONFIG = (
    "api.binance.com", "api.x.com", "contoso.blob.core.windows.net", "contoso.queue.core.windows.net",
    "api.emarsys.net", "contoso.azconfig.io")
FORM = "Content-Type: application/x-www-form-urlencoded"
SETTINGS = {"limits": {"body_buffer": "64KiB"}}
numbers = itertools.count()


@pytest.fixture(scope="module")
def _signing(make_daemon, make_upstream, ca):
    upstream = make_upstream(*ca.issue("api.test", BINANCE, X, BLOB, QUEUE, EMARSYS, CONFIG))
    hosts = {f"{host}:443": upstream for host in (BINANCE, X, BLOB, QUEUE, EMARSYS, CONFIG)}
    world = World(make_daemon(merged(world_settings(upstream, ca, **hosts), SETTINGS)), upstream, ca)
    yield world
    assert world.daemon.stop() == 0, world.daemon.log_file.read_text()[-4000:]


@pytest.fixture
def world(_signing):
    _signing.upstream.reset()
    return _signing


@pytest.fixture
def signing(world):
    """A connection of its own that signs; answers what world.call() needs to use it."""

    def connect(value, sign=None, *, app="http", type="HMAC", host="api.test", **config):
        alias = f"c{next(numbers)}"
        if app == "http":
            config = {"hosts": [host], "sign": sign, **config}
        made = world.daemon.connect(alias=alias, app=app, type=type, value=value, config=config)
        assert KEY not in json.dumps(made)
        return {"connection": alias, "token": world.daemon.token(made["id"]), "host": host}

    return connect


def mac(message, key=KEY, algorithm=hashlib.sha256):
    key, message = (part.encode() if isinstance(part, str) else part for part in (key, message))
    return hmac.new(key, message, algorithm)


def arrived(world, response):
    assert response.status == 200, response.body
    seen = world.upstream.last()
    assert seen.complete
    return seen


def is_now(seconds):
    return abs(time.time() - float(seconds)) < 300


# --- HMAC

SLACK = {"message": "v0:${timestamp}:${body}", "header": "X-Signature", "value": "v0=${signature}",
         "timestamp_header": "X-Timestamp"}


def must_be_slacks(seen, body):
    stamp = seen.fields.get("x-timestamp")
    assert is_now(stamp) and seen.body == body
    assert seen.fields.all("x-signature") == ["v0=" + mac(b"v0:" + stamp.encode() + b":" + body).hexdigest()]


def test_an_hmac_over_the_body_and_the_time(world, signing):
    must_be_slacks(arrived(world, world.call("POST", body=b"a=1&\x00\xff", **signing({"key": KEY}, SLACK))),
                   b"a=1&\x00\xff")


def test_what_the_caller_signed_with_keys_of_its_own_goes_away(world, signing):
    seen = arrived(world, world.call("POST", body=b"b", fields=["x-signature: v0=mine", "X-TIMESTAMP: 1"],
                                     **signing({"key": KEY}, SLACK)))
    must_be_slacks(seen, b"b")


def test_a_body_of_unknown_length_is_signed_and_sent_with_its_length(world, signing):
    who = signing({"key": KEY}, SLACK)
    with world.client() as client:
        client.send(world.head("POST", fields=["Transfer-Encoding: chunked"], **who)
                    + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
        seen = arrived(world, client.response("POST"))
    must_be_slacks(seen, b"abcde")
    assert seen.fields.all("content-length") == ["5"] and "transfer-encoding" not in seen.fields


def test_a_request_without_a_body_signs_an_empty_one(world, signing):
    must_be_slacks(arrived(world, world.call("GET", **signing({"key": KEY}, SLACK))), b"")


def test_every_request_has_a_nonce_of_its_own(world, signing):
    who = signing({"key": KEY}, {"message": "${nonce}", "header": "X-Signature", "nonce_header": "X-Nonce",
                                 "nonce_format": "uuid"})
    nonces = set()
    for _ in range(3):
        nonce = arrived(world, world.call(**who)).fields.get("x-nonce")
        assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", nonce)
        assert world.upstream.last().fields.get("x-signature") == mac(nonce).hexdigest()
        nonces.add(nonce)
    assert len(nonces) == 3


ECHOED = {
    "hmac header": ({"key": KEY}, {"message": "${method} ${target}", "header": "X-Signature", "value": "v0=${signature}"}),
    "hmac query": ({"key": KEY}, {"message": "${target}", "query": "signature", "encoding": "base64"}),
    "wsse": ({"keyId": "u", "key": KEY}, {"scheme": "wsse"}),
    "azure": ({"keyId": "acct", "key": base64.b64encode(KEY.encode()).decode()}, {"scheme": "azure-shared-key", "service": "blob"}),
    "rfc 9421": ({"keyId": "k", "key": KEY}, {"scheme": "http-signature", "algorithm": "hmac-sha256"}),
    "oauth1": ({"consumerKey": "c", "consumerSecret": KEY, "token": "t", "tokenSecret": KEY}, {}),
}


@pytest.mark.parametrize("kind", ECHOED)
def test_no_answer_shows_what_proved_the_request(world, signing, kind):
    """DESIGN section 5: the injected value is masked in every response header; a signature is one."""
    def echo(exchange, request):
        fields = [f"X-Echo-{number}: {value}" for number, (_, value) in enumerate(request.fields)]
        exchange.send(answer(b"", "302 Found", f"Location: https://api.test{request.target}", *fields))

    world.upstream.answer = echo
    value, sign = ECHOED[kind]
    response = world.call("GET", "/a?b=c", **signing(value, sign, type="OAUTH1" if kind == "oauth1" else "HMAC"))
    sent = world.upstream.last()
    assert response.status == 302
    texts = [text for _, text in sent.fields] + [value for _, value in parse_qsl(urlsplit(sent.target).query)]
    proofs = {"hmac header": r"v0=([0-9a-f]{64})", "hmac query": r"^([A-Za-z0-9+/]{43}=)$", "wsse": r'PasswordDigest="([^"]+)"',
              "azure": r"SharedKey acct:(.+)", "rfc 9421": r"=:([A-Za-z0-9+/=]{40,}):", "oauth1": r'oauth_signature="([^"]+)"'}
    proof = next(found[1] for text in texts if (found := re.search(proofs[kind], text)))
    assert unquote(proof).encode() not in response.raw and proof.encode() not in response.raw and quote(proof, safe="").encode() not in response.raw


def test_a_request_that_is_sent_again_is_signed_again(world, signing):
    """On a kept connection that died: the service may know the first nonce already."""
    def once(exchange, request):
        if len(world.upstream.requests) == 2:
            return exchange.cut()
        exchange.send(answer(b"fine"))

    world.upstream.answer = once
    who = signing({"key": KEY}, {"message": "${nonce}", "header": "X-Signature", "nonce_header": "X-Nonce"})
    with world.client() as client:
        for _ in range(2):
            client.send(world.head(**who))
            assert client.response().status == 200
    nonces = [request.fields.get("x-nonce") for request in world.upstream.requests]
    assert len(nonces) == 3 and len(set(nonces)) == 3
    assert all(request.fields.get("x-signature") == mac(request.fields.get("x-nonce")).hexdigest()
               for request in world.upstream.requests)


def test_rules_are_applied_before_the_signature_and_signed_with_it(world, signing):
    who = signing({"key": KEY, "keyId": "id-1"},
                  {"message": "${target} ${header_x_key_id}", "header": "X-Signature"},
                  inject=[{"header": "X-Key-Id", "value": "${keyId}"}, {"query": "version", "value": "2"},
                          {"path": "/base"}])
    seen = arrived(world, world.call(path="/a?b=c&version=mine", fields=["X-Key-Id: mine"], **who))
    assert seen.target == "/base/a?b=c&version=2"
    assert seen.fields.all("x-key-id") == ["id-1"]
    assert seen.fields.get("x-signature") == mac("/base/a?b=c&version=2 id-1").hexdigest()


def test_binance_as_its_entry_says(world, signing):
    who = signing({"keyId": "public-id", "key": KEY}, app="binance", host=BINANCE)
    seen = arrived(world, world.call("POST", "/api/v3/order?symbol=LTCBTC&signature=mine&timestamp=1",
                                     body=b"side=BUY&price=0.1", fields=[FORM, "X-MBX-APIKEY: mine"], **who))
    query, _, signature = urlsplit(seen.target).query.rpartition("&signature=")
    assert seen.fields.all("x-mbx-apikey") == ["public-id"] and seen.target.count("signature=") == 1
    assert re.fullmatch(r"symbol=LTCBTC&timestamp=\d{13}", query) and is_now(int(query[-13:]) / 1000)
    assert signature == mac(query + "side=BUY&price=0.1").hexdigest()


def test_azure_app_configuration_as_its_entry_says(world, signing):
    who = signing({"keyId": "id-1", "key": base64.b64encode(b"\x00key").decode()}, app="azure-app-configuration",
                  host=CONFIG, store="contoso")
    seen = arrived(world, world.call("PUT", "/kv/a?api-version=1.0", body=b"{}", **who))
    date, content = seen.fields.get("x-ms-date"), seen.fields.get("x-ms-content-sha256")
    assert is_now(parsedate_to_datetime(date).timestamp())
    assert content == base64.b64encode(hashlib.sha256(b"{}").digest()).decode()
    signature = mac(f"PUT\n/kv/a?api-version=1.0\n{date};{CONFIG};{content}", b"\x00key").digest()
    assert seen.fields.all("authorization") == [
        "HMAC-SHA256 Credential=id-1&SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature="
        + base64.b64encode(signature).decode()]


# --- OAuth 1.0a

CONSUMER, TOKEN = "consumer-key/of ours", "token+of&ours"
SECRETS = {"consumerSecret": "consumer secret/%", "tokenSecret": "token secret+&"}
USER = {"consumerKey": CONSUMER, "token": TOKEN, **SECRETS}


class Judge(oauth1.RequestValidator):
    """A provider, to oauthlib: it knows one consumer and one token, and each nonce once."""
    dummy_client = "nobody"
    nonce_length = (32, 32)
    timestamp_lifetime = 600

    def __init__(self, rsa_key=None):
        super().__init__()
        self.rsa_key, self.seen = rsa_key, set()

    @property
    def allowed_signature_methods(self):
        return (oauth1.SIGNATURE_HMAC_SHA1, oauth1.SIGNATURE_HMAC_SHA256, oauth1.SIGNATURE_RSA_SHA1)

    def check_client_key(self, key):
        return key == CONSUMER

    def check_access_token(self, token):
        return token == TOKEN

    def validate_client_key(self, key, request):
        return key == CONSUMER

    def validate_access_token(self, key, token, request):
        return (key, token) == (CONSUMER, TOKEN)

    def validate_timestamp_and_nonce(self, key, timestamp, nonce, request, request_token=None, access_token=None):
        known, _ = nonce in self.seen, self.seen.add(nonce)
        return not known and is_now(timestamp)

    def validate_realms(self, key, token, request, uri=None, realms=None):
        return True

    def get_client_secret(self, key, request):
        return SECRETS["consumerSecret"]

    def get_access_token_secret(self, key, token, request):
        return SECRETS["tokenSecret"]

    def get_rsa_key(self, key, request):
        return self.rsa_key


def judged(seen, rsa_key=None):
    endpoint = oauth1.ResourceEndpoint(Judge(rsa_key))
    fields = {name: value for name, value in seen.fields if name.lower() in ("authorization", "content-type")}
    uri = f"https://{seen.fields.get('host')}{seen.target}"
    fine, request = endpoint.validate_protected_resource_request(uri, seen.method, seen.body.decode(), fields)
    return fine, request


def test_the_judge_says_no_to_what_was_changed_on_its_way(world, signing):
    seen = arrived(world, world.call("POST", "/a?b=c", body=b"d=e", fields=[FORM], **signing(USER, {}, type="OAUTH1")))
    assert judged(seen)[0]
    seen.body = b"d=f"
    assert not judged(seen)[0]


@pytest.mark.parametrize("method", ["HMAC-SHA1", "HMAC-SHA256"])
@pytest.mark.parametrize("placement", ["header", "query"])
def test_oauth1(world, signing, method, placement):
    who = signing(USER, {"method": method, "placement": placement}, type="OAUTH1")
    seen = arrived(world, world.call("POST", "/a%20b/c?q=%2B+x&q=1&empty&%C3%BC=%C3%A4", body=b"status=Hi%20%2b+!&a=",
                                     fields=[FORM], **who))
    fine, request = judged(seen)
    assert fine and request.signature_method == method
    assert ("oauth_signature=" in seen.target) == (placement == "query")
    assert ("authorization" in seen.fields) == (placement == "header")


def test_oauth1_with_a_key_of_rsa(world, signing):
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                            serialization.NoEncryption()).decode()
    public = key.public_key().public_bytes(serialization.Encoding.PEM,
                                           serialization.PublicFormat.SubjectPublicKeyInfo).decode()
    who = signing({"consumerKey": CONSUMER, "token": TOKEN, "privateKey": pem},
                  {"method": "RSA-SHA1", "realm": "Jira"}, type="OAUTH1")
    seen = arrived(world, world.call("GET", "/rest?jql=a%3Db", **who))
    assert judged(seen, public)[0]
    assert seen.fields.get("authorization").startswith('OAuth realm="Jira", oauth_consumer_key=')


def test_oauth1_as_the_entry_of_x_says_and_without_the_callers_own_signature(world, signing):
    who = signing(USER, app="x", type="OAUTH1", host=X)
    mine = 'Authorization: OAuth oauth_consumer_key="mine", oauth_signature="mine"'
    seen = arrived(world, world.call("POST", "/2/tweets?oauth_nonce=mine", body=b'{"text":"Hi"}',
                                     fields=["Content-Type: application/json", mine], **who))
    assert judged(seen)[0] and seen.target == "/2/tweets" and "mine" not in seen.fields.get("authorization")


def test_a_body_that_is_no_form_goes_by_whatever_its_size(world, signing):
    body = b"x" * 1_000_000
    seen = arrived(world, world.call("POST", "/media", body=body, fields=["Content-Type: image/png"],
                                     **signing(USER, {}, type="OAUTH1")))
    assert seen.body == body and judged(merged_body(seen, b""))[0]


def merged_body(seen, body):
    seen.body = body
    return seen


def test_oauth_body_hash(world, signing):
    seen = arrived(world, world.call("POST", "/a", body=b'{"a":1}', fields=["Content-Type: application/json"],
                                     **signing(USER, {"body_hash": "yes"}, type="OAUTH1")))
    fine, request = judged(seen)
    said = dict(request.params)
    assert fine
    assert said["oauth_body_hash"] == base64.b64encode(hashlib.sha1(b'{"a":1}').digest()).decode()


def test_a_form_that_names_our_parameters_is_refused(world, signing):
    response = world.call("POST", body=b"oauth_token=mine", fields=[FORM], **signing(USER, {}, type="OAUTH1"))
    assert (response.status, response.code) == (400, "malformed-request")
    assert not world.upstream.requests


# --- WSSE, Azure Shared Key

def test_wsse_as_the_entry_of_emarsys_says(world, signing):
    who = signing({"username": "customer001", "password": KEY}, app="emarsys", host=EMARSYS)
    seen = arrived(world, world.call("GET", "/api/v2/settings", fields=['X-WSSE: UsernameToken Username="me"'], **who))
    [value] = seen.fields.all("x-wsse")
    said = dict(re.findall(r'(\w+)="([^"]*)"', value))
    digest = hashlib.sha1((said["Nonce"] + said["Created"] + KEY).encode()).hexdigest()
    assert value.startswith("UsernameToken ") and said["Username"] == "customer001"
    assert said["PasswordDigest"] == base64.b64encode(digest.encode()).decode()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", said["Created"])


def test_wsse_of_oasis(world, signing):
    seen = arrived(world, world.call(**signing({"keyId": "ann", "key": KEY}, {"scheme": "wsse"})))
    said = dict(re.findall(r'(\w+)="([^"]*)"', seen.fields.get("x-wsse")))
    digest = hashlib.sha1(base64.b64decode(said["Nonce"]) + (said["Created"] + KEY).encode()).digest()
    assert said["PasswordDigest"] == base64.b64encode(digest).decode()


def azure_signature(seen, account, key):
    """Microsoft, "Authorize with Shared Key": Blob, Queue and File since 2015-02-21."""
    fields = {name.lower(): value for name, value in seen.fields}
    length = fields.get("content-length", "")
    lines = [seen.method, fields.get("content-encoding", ""), fields.get("content-language", ""),
             "" if length == "0" else length, fields.get("content-md5", ""), fields.get("content-type", ""), ""]
    lines += [fields.get(name, "") for name in ("if-modified-since", "if-match", "if-none-match",
                                                "if-unmodified-since", "range")]
    lines += [f"{name}:{fields[name]}" for name in sorted(fields) if name.startswith("x-ms-")]
    url = urlsplit(seen.target)
    query = {}
    for name, value in parse_qsl(url.query, keep_blank_values=True):
        query.setdefault(name.lower(), []).append(value)
    lines.append(f"/{account}{url.path}")
    lines += [f"{name}:{','.join(sorted(query[name]))}" for name in sorted(query)]
    return base64.b64encode(mac("\n".join(lines), key).digest()).decode()


@pytest.mark.parametrize("method, path, body, fields", [
    ("GET", "/container?restype=container&comp=list&include=snapshots&include=metadata", None, ["Range: bytes=0-9"]),
    ("PUT", "/container/my%20blob.txt?timeout=20", b"hello", ["x-ms-blob-type: BlockBlob", "Content-Type: text/plain",
                                                             "x-ms-version: 2020-02-10", "Authorization: mine"]),
    ("PUT", "/container/empty", b"", ["x-ms-blob-type: BlockBlob", "x-ms-date: yesterday"]),
    ("DELETE", "/container/a", None, ['If-Match: "0x1"', "X-MS-Client-Request-Id: 7"])])
def test_azure_blob_storage(world, signing, method, path, body, fields):
    who = signing({"keyId": "contoso", "key": base64.b64encode(b"\xffkey").decode()}, {"scheme": "azure-shared-key"},
                  host=BLOB)
    must_be_azures(arrived(world, world.call(method, path, body=body, fields=fields, **who)))


def test_azure_queue_storage_as_its_entry_says(world, signing):
    who = signing({"key": base64.b64encode(b"\xffkey").decode()}, app="azure-storage", host=QUEUE, account="contoso")
    must_be_azures(arrived(world, world.call("POST", "/q/messages?visibilitytimeout=30", body=b"<Q/>", **who)))


def must_be_azures(seen):
    assert is_now(parsedate_to_datetime(seen.fields.get("x-ms-date")).timestamp())
    assert len(seen.fields.all("x-ms-version")) == 1
    assert seen.fields.all("authorization") == ["SharedKey contoso:" + azure_signature(seen, "contoso", b"\xffkey")]


# --- HTTP message signatures

def rfc9421(seen):
    """Signature base and signature, rebuilt from what arrived (RFC 9421 section 2.5)."""
    label, params = seen.fields.get("signature-input").split("=", 1)
    url = urlsplit(seen.target)
    known = {"@method": seen.method, "@authority": seen.fields.get("host"), "@path": url.path,
             "@query": "?" + url.query, "@target-uri": f"https://{seen.fields.get('host')}{seen.target}"}
    lines = []
    for name in re.findall(r'"([^"]+)"', params[:params.index(")")]):
        lines.append(f'"{name}": {known[name] if name in known else ", ".join(seen.fields.all(name))}')
    sent = seen.fields.get("signature")
    assert sent.startswith(label + "=:") and sent.endswith(":")
    lines.append(f'"@signature-params": {params}')
    assert is_now(re.search(r"created=(\d+)", params)[1])
    return "\n".join(lines).encode(), base64.b64decode(sent[len(label) + 2:-1])


COVERED = ["@method", "@target-uri", "@authority", "@path", "@query", "content-type", "content-digest"]


def pem_of(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption()).decode()


def verify(algorithm, key, base, signature):
    if algorithm == "hmac-sha256":
        assert mac(base).digest() == signature
    elif algorithm == "ed25519":
        key.public_key().verify(signature, base)
    elif algorithm == "ecdsa-p256-sha256":
        assert len(signature) == 64
        r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
        key.public_key().verify(utils.encode_dss_signature(r, s), base, ec.ECDSA(hashes.SHA256()))
    elif algorithm == "rsa-pss-sha512":
        key.public_key().verify(signature, base, padding.PSS(padding.MGF1(hashes.SHA512()), 64), hashes.SHA512())
    else:
        key.public_key().verify(signature, base, padding.PKCS1v15(), hashes.SHA256())


@pytest.mark.parametrize("algorithm", ["hmac-sha256", "ed25519", "ecdsa-p256-sha256", "rsa-pss-sha512",
                                       "rsa-v1_5-sha256"])
def test_http_message_signatures(world, signing, algorithm):
    key = {"ed25519": ed25519.Ed25519PrivateKey.generate, "hmac-sha256": lambda: None,
           "ecdsa-p256-sha256": lambda: ec.generate_private_key(ec.SECP256R1())}.get(
               algorithm, lambda: rsa.generate_private_key(65537, 2048))()
    sign = {"scheme": "http-signature", "algorithm": algorithm, "components": COVERED,
            "params": ["created", "keyid", "alg", "nonce"]}
    who = signing({"keyId": "key-1", "key": pem_of(key) if key else KEY}, sign)
    mine = ["Content-Type: application/json", "Signature: mine=:AA==:", "Content-Digest: sha-256=:AA==:"]
    seen = arrived(world, world.call("POST", "/a%20b?c=d&e", body=b'{"a":1}', fields=mine, **who))
    digest = base64.b64encode(hashlib.sha256(b'{"a":1}').digest()).decode()
    assert seen.fields.all("content-digest") == [f"sha-256=:{digest}:"]
    assert len(seen.fields.all("signature")) == len(seen.fields.all("signature-input")) == 1
    assert re.search(rf';keyid="key-1";alg="{algorithm}";nonce="[0-9a-f]{{32}}"$', seen.fields.get("signature-input"))
    verify(algorithm, key, *rfc9421(seen))


def test_a_covered_field_that_is_not_sent_is_asked_for(world, signing):
    who = signing({"keyId": "k", "key": KEY}, {"scheme": "http-signature", "components": ["@path", "x-request-id"]})
    response = world.call(**who)
    assert (response.status, response.code) == (400, "malformed-request") and b"x-request-id" in response.body
    assert arrived(world, world.call(fields=["X-Request-Id: 1"], **who)).fields.get("signature")


# --- bodies that cannot be signed

@pytest.mark.parametrize("framing, part", [("Content-Length: 1000", b"half of it"),
                                           ("Transfer-Encoding: chunked", b"5\r\nhello\r\n3\r\nhe")])
def test_nothing_of_a_body_that_is_cut_reaches_the_upstream(world, signing, framing, part):
    who = signing({"key": KEY}, SLACK)
    with world.client() as client:
        client.send(world.head("POST", fields=[framing], **who) + part)
    must_be_slacks(arrived(world, world.call("POST", body=b"whole", **who)), b"whole")
    assert len(world.upstream.requests) == 1


def test_a_bad_chunk_in_a_body_that_is_signed_sends_nothing(world, signing):
    with world.client() as client:
        client.send(world.head("POST", fields=["Transfer-Encoding: chunked"], **signing({"key": KEY}, SLACK))
                    + b"5\r\nhelloXX\r\n0\r\n\r\n")
        response = client.response("POST")
        assert (response.status, response.code) == (400, "malformed-request") and client.is_closed()
    assert not world.upstream.requests


@row("body-too-large-to-sign")
@pytest.mark.parametrize("framing", ["Content-Length: 70000", "Transfer-Encoding: chunked"])
def test_a_body_over_the_limit_is_too_large_to_sign(world, signing, framing):
    who = signing({"key": KEY}, {**SLACK, "spill": "no"})
    body = b"x" * 70000
    with world.client() as client:
        client.send_as_far_as_it_goes(world.head("POST", fields=[framing], **who)
                                      + (b"11170\r\n" + body + b"\r\n0\r\n\r\n" if "chunked" in framing else body))
        response = client.response("POST")
    assert (response.status, response.code) == (413, "body-too-large-to-sign")
    assert KEY.encode() not in response.raw
    assert not world.upstream.requests


# --- what is said, and to whom

def test_no_answer_holds_a_secret_that_was_signed_with(world, signing):
    values = {**USER, "consumerSecret": "consumer-secret-17", "tokenSecret": "token-secret-17"}
    echo = ["consumer-secret-17", "token-secret-17", "a%20b/consumer-secret-17"]
    world.upstream.answer = ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"
                             + "".join(f"X-Echo: {text}\r\n" for text in echo) + "\r\n").encode()
    response = world.call(**signing(values, {}, type="OAUTH1"))
    assert response.status == 200
    assert b"secret-17" not in response.raw


@pytest.mark.parametrize("sign, value, said", [
    ({"message": "${body}"}, {"key": KEY}, "sign.header or sign.query"),
    ({"header": "X-S"}, {"key": KEY}, "needs sign.message"),
    ({"message": "${bdy}", "header": "X-S"}, {"key": KEY}, "bdy"),
    ({"message": "${keyId}", "header": "X-S"}, {"key": KEY}, "keyId"),
    ({"message": "${urlencode(keyId)}", "header": "X-S"}, {"key": KEY, "keyId": "a"}, "basic and lower"),
    ({"message": "a", "header": "Content-Length"}, {"key": KEY}, "frames or routes"),
    ({"message": "a", "header": "X-S", "hash": "sha3"}, {"key": KEY}, "'sha3' is not one of"),
    ({"message": "a", "header": "X-S", "hahs": "sha1"}, {"key": KEY}, "hahs"),
    ({"scheme": "hmca"}, {"key": KEY}, "hmac"),
    ({"scheme": "http-signature"}, {"key": KEY}, "keyId")])
def test_what_a_signer_is_told_wrongly_is_said_when_it_is_told(world, sign, value, said):
    answer = world.daemon.api("POST", "/api/v1/connections", {
        "name": "Test", "app": "http", "type": "HMAC", "value": value, "config": {"hosts": ["api.test"], "sign": sign}})
    assert answer.status == 422 or answer.status == 400, answer.body
    assert said.encode() in answer.body and KEY.encode() not in answer.body


def test_a_key_that_is_none_is_refused_when_it_is_brought(world):
    answer = world.daemon.api("POST", "/api/v1/connections", {
        "name": "Test", "app": "http", "type": "HMAC", "value": {"keyId": "k", "key": KEY},
        "config": {"hosts": ["api.test"], "sign": {"scheme": "http-signature", "algorithm": "ed25519"}}})
    assert answer.status == 400 and answer.json()["errors"][0]["pointer"] == "/value", answer.body
    assert b"Nothing can be signed with this: the private key is no PEM" in answer.body and KEY.encode() not in answer.body


@pytest.mark.parametrize("type,value", [
    ("AWS_SIGV4", {"accessKeyId": "AKIA\r\nX-Evil: 1", "secretAccessKey": KEY}),
    ("DIGEST", {"username": "u\r\nX: 1", "password": KEY}), ("HMAC", {"keyId": "u\r\n", "key": KEY})])
def test_a_name_that_would_break_the_head_is_refused_when_it_is_brought(world, type, value):
    answer = world.daemon.api("POST", "/api/v1/connections", {
        "name": "Test", "app": "http", "type": type, "value": value,
        "config": {"hosts": ["api.test"], **({"sign": {"scheme": "wsse"}} if type == "HMAC" else {})}})
    assert answer.status == 400 and KEY.encode() not in answer.body, answer.body


def test_a_new_key_that_is_none_leaves_the_old_one(world, signing):
    sign = {"scheme": "http-signature", "algorithm": "hmac-sha256", "key_encoding": "base64"}
    who = signing({"keyId": "k", "key": base64.b64encode(b"one").decode()}, sign)
    path = "/api/v1/connections/" + who["connection"]
    for method, where in (("POST", path + "/rotate"), ("PATCH", path)):
        answer = world.daemon.api(method, where, {"value": {"keyId": "k", "key": "no base64!"}})
        assert answer.status == 400 and b"Nothing can be signed with this" in answer.body, answer.body
    assert world.call(**who).status == 200


def test_explain_shows_where_a_signature_goes_and_none(world, signing):
    who = signing({"key": KEY}, SLACK)
    result = world.daemon.verb("explain", "-c", who["connection"], "-X", "POST", "http://api.test/a")
    assert result.returncode == 0, result.stderr
    assert "  X-Signature: v0=«redacted»" in result.stdout.splitlines()
    assert KEY not in result.stdout and not world.upstream.accepted
