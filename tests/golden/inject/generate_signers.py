"""Makes signers_generated.json, in the form of signers.json: requests signed by others than us.

OAuth 1.0a is oauthlib's (Debian's python3-oauthlib); Azure Shared Key, HMAC and WSSE are written here from the documents
that define them, on Python's hmac; RSA is the package cryptography's. The seed is fixed. The file is frozen: a signer
that is changed must go on giving these signatures.
"""
import base64
import hashlib
import hmac
import json
import random
from email.utils import formatdate
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote_plus

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from oauthlib import oauth1
from oauthlib.oauth1.rfc5849.utils import escape

rng = random.Random(5849)
cases = []
TEXT = "abzAZ09-._~ +&=%;/?:@!'()*,$[]ü漢\"<>^`|{}\\"


def text(most, least=0):
    return "".join(rng.choice(TEXT) for _ in range(rng.randint(least, most)))


def encoded(value):
    """One of the ways in which clients write a parameter."""
    if rng.random() < 0.5:
        return quote(value, safe="-._~").replace("%20", rng.choice(["+", "%20"]))
    return quote(value, safe="-._~!*()'")


def parameters(most):
    return "&".join(encoded(text(8, 1)) + "=" + encoded(text(12)) for _ in range(rng.randint(0, most)))


def path():
    # oauthlib's urlparse loses a ';' at the end, which is part of the path (RFC 3986 section 3.3).
    return "/" + "/".join(quote(text(6, 1), safe="-._~:@!$'()*,;=") for _ in range(rng.randint(0, 4))).rstrip(";")


# RFC 9421 appendix B.1.1, test-key-rsa: for tests alone.
RSA_PEM = Path(__file__).with_name("test_key_rsa.pem").read_text()
RSA = serialization.load_pem_private_key(RSA_PEM.encode(), None)


FILE = "file:test_key_rsa.pem"  # how a case names it


def add(name, kind, options, values, *, method, authority, path, query, fields, body, now_ms, nonce="", headers,
        query_added=()):
    cases.append({"case": name, "kind": kind, "options": options, "values": values, "method": method,
                  "authority": authority, "path": path, "query": query, "fields": fields, "body": body,
                  "now_ms": now_ms, "nonce": nonce, "headers": headers, "query_added": list(query_added)})


def oauth(number):
    how = rng.choice(["HMAC-SHA1", "HMAC-SHA1", "HMAC-SHA256", "RSA-SHA1"])
    port = rng.choice(["", "", ":443", ":8443"])
    authority = rng.choice(["api.example.com", "photos.Example.NET", "xn--mnchen-3ya.example"]) + port
    method, where, query = rng.choice(["GET", "POST", "PUT", "DELETE"]), path(), parameters(4)
    body, content_type = None, None
    if method in ("POST", "PUT"):
        content_type = rng.choice(["application/x-www-form-urlencoded", "application/json", None])
        body = parameters(4) if content_type == "application/x-www-form-urlencoded" else json.dumps({"a": text(20)})
    body_hash = content_type == "application/json" and how != "HMAC-SHA256"
    values = {"consumerKey": text(12, 1)}
    if how == "RSA-SHA1":
        values["privateKey"] = FILE
    else:
        values["consumerSecret"] = text(20, 1)
    if rng.random() < 0.7:
        values["token"] = text(12, 1)
        if how != "RSA-SHA1":
            values["tokenSecret"] = text(20, 1)
    realm = rng.choice(["", "Photos", "https://example.com/"])
    nonce, now = "%032x" % rng.getrandbits(128), rng.randint(10**9, 2 * 10**9)
    client = oauth1.Client(values["consumerKey"], client_secret=values.get("consumerSecret"),
                           resource_owner_key=values.get("token"), resource_owner_secret=values.get("tokenSecret"),
                           signature_method=how, rsa_key=RSA_PEM, nonce=nonce, timestamp=str(now))
    # Without a type that is to be signed the body stays out of it, for oauthlib as for us.
    form = content_type == "application/x-www-form-urlencoded"
    typed = {"Content-Type": content_type} if form or body_hash else {}
    _, made, _ = client.sign(f"https://{authority}{where}" + (f"?{query}" if query else ""), method,
                             body if form or body_hash else None, typed)
    got = dict(part.split("=", 1) for part in made["Authorization"].removeprefix("OAuth ").split(", "))
    order = ["oauth_consumer_key", "oauth_token", "oauth_signature_method", "oauth_timestamp", "oauth_nonce",
             "oauth_version", "oauth_body_hash", "oauth_signature"]
    assert set(got) <= set(order)
    value = ", ".join([f'realm="{realm}"'] * bool(realm) + [f"{n}={got[n]}" for n in order if n in got])
    assert got["oauth_consumer_key"] == '"' + escape(values["consumerKey"]) + '"'
    options = {"method": how} | ({"realm": realm} if realm else {}) | ({"body_hash": "yes"} if body_hash else {})
    add(f"OAuth 1.0a, request {number}", "oauth1", options, values, method=method, authority=authority, path=where,
        query=query, fields=[["Content-Type", content_type]] if content_type else [], body=body, now_ms=now * 1000,
        nonce=nonce, headers=[["Authorization", "OAuth " + value]])


def azure(number, method, where, query, fields, body, service="blob"):
    """Microsoft's "Authorize with Shared Key", the account and the key of its storage emulator."""
    account = "devstoreaccount1"
    key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
    now = rng.randint(10**9, 2 * 10**9)
    date = formatdate(now, usegmt=True)
    version = {"table": "2019-02-02"}.get(service, "2021-12-02")
    sent = {name.lower(): value for name, value in fields}
    added = [["x-ms-date", date]] + ([] if "x-ms-version" in sent else [["x-ms-version", version]])
    everything = sent | dict(added)
    resource = f"/{account}{where}"
    if service == "table":
        for name, value in parse_qsl(query, keep_blank_values=True):
            if name == "comp":
                resource += "?comp=" + value
        to_sign = "\n".join([method, sent.get("content-md5", ""), sent.get("content-type", ""), date, resource])
    else:
        grouped = {}
        for pair in filter(None, query.split("&")):
            name, _, value = pair.partition("=")
            grouped.setdefault(unquote_plus(name).lower(), []).append(unquote_plus(value))
        for name in sorted(grouped):
            resource += f"\n{name}:" + ",".join(sorted(grouped[name]))
        length = sent.get("content-length", "")
        standard = ["content-encoding", "content-language", "content-length", "content-md5", "content-type", "date",
                    "if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range"]
        lines = [method] + ["" if name == "date" or (name == "content-length" and length == "0")
                            else sent.get(name, "") for name in standard]
        lines += [f"{name}:{everything[name]}" for name in sorted(everything) if name.startswith("x-ms-")]
        to_sign = "\n".join(lines + [resource])
    signature = base64.b64encode(hmac.new(base64.b64decode(key), to_sign.encode(), hashlib.sha256).digest()).decode()
    add(f"Azure {service}, request {number}", "azure-shared-key", {"service": service}, {"keyId": account, "key": key},
        method=method, authority=f"{account}.{service}.core.windows.net", path=where, query=query, fields=fields,
        body=body, now_ms=now * 1000, headers=added + [["Authorization", f"SharedKey {account}:{signature}"]])


def azures():
    # The three of the documentation's "Constructing the canonicalized resource string", then what they leave out.
    azure(1, "GET", "/mycontainer", "restype=container&comp=metadata", [], None)
    azure(2, "GET", "/container", "restype=container&comp=list&include=snapshots&include=metadata"
          "&include=uncommittedblobs", [], None)
    azure(3, "GET", "/mycontainer/myblob", "", [["Range", "bytes=0-1023"]], None)
    azure(4, "PUT", "/c/my%20blob.txt", "timeout=20", [
        ["Content-Length", "11"], ["Content-Type", "text/plain; charset=UTF-8"], ["x-ms-blob-type", "BlockBlob"],
        ["x-ms-meta-name", "a b"], ["x-ms-version", "2015-02-21"], ["If-None-Match", "*"]], "hello world")
    azure(5, "PUT", "/c/empty", "", [["Content-Length", "0"], ["x-ms-blob-type", "BlockBlob"]], "")
    azure(6, "PUT", "/c/b", "comp=block&blockid=MDAwMDAwMDA%3D", [
        ["Content-Length", "3"], ["Content-MD5", "kAFQmDzST7DWlj99KOF/cg=="], ["Content-Encoding", "gzip"],
        ["Content-Language", "en"], ["If-Match", '"0x1"'], ["X-MS-Client-Request-Id", "7"]], "abc")
    azure(7, "POST", "/q/messages", "visibilitytimeout=30&MessageTTL=60", [["Content-Length", "2"]], "<>", "queue")
    azure(8, "GET", "/share/dir%2Ffile", "Comp=list&restype=directory", [], None, "file")
    azure(9, "GET", "/Tables", "$filter=a%20eq%201&comp=acl", [["Accept", "application/json"]], None, "table")
    azure(10, "POST", "/people", "", [["Content-Type", "application/json"], ["Content-Length", "2"]], "{}", "table")


def hmacs():
    """Schemes of several exchanges and of Azure's own HMAC, as their documentation writes them."""
    key, body = b"\x00\xff key bytes \x80", '{"size":"1.0","price":"1.0"}'
    coinbase = base64.b64encode(hmac.new(key, b"1700000000POST/orders?a=1" + body.encode(), hashlib.sha256).digest())
    add("seconds, the target with its query, base64 on both ends", "hmac",
        {"message": "${timestamp}${method}${target}${body}", "key_encoding": "base64", "encoding": "base64",
         "header": "CB-ACCESS-SIGN", "timestamp_header": "CB-ACCESS-TIMESTAMP"},
        {"key": base64.b64encode(key).decode()}, method="POST", authority="api.exchange.coinbase.com", path="/orders",
        query="a=1", fields=[], body=body, now_ms=1700000000999,
        headers=[["CB-ACCESS-TIMESTAMP", "1700000000"], ["CB-ACCESS-SIGN", coinbase.decode()]])
    okx = base64.b64encode(hmac.new(b"s3", b"2023-11-14T22:13:20.123ZGET/api/v5/a?b=c", hashlib.sha256).digest())
    add("ISO 8601 with milliseconds", "hmac",
        {"message": "${timestamp}${method}${target}${body}", "encoding": "base64", "header": "OK-ACCESS-SIGN",
         "timestamp_header": "OK-ACCESS-TIMESTAMP", "timestamp_format": "iso8601-ms"}, {"key": "s3"}, method="GET",
        authority="www.okx.com", path="/api/v5/a", query="b=c", fields=[], body=None, now_ms=1700000000123,
        headers=[["OK-ACCESS-TIMESTAMP", "2023-11-14T22:13:20.123Z"], ["OK-ACCESS-SIGN", okx.decode()]])
    bitfinex = hmac.new(b"s", b"/api/v2/auth/r/orders1700000000123000{}", hashlib.sha384).hexdigest()
    add("microseconds as a nonce, SHA-384", "hmac",
        {"message": "/api${path}${timestamp}${body}", "hash": "sha384", "header": "bfx-signature",
         "timestamp_header": "bfx-nonce", "timestamp_format": "us"}, {"key": "s"}, method="POST",
        authority="api.bitfinex.com", path="/v2/auth/r/orders", query="", fields=[], body="{}", now_ms=1700000000123,
        headers=[["bfx-nonce", "1700000000123000"], ["bfx-signature", bitfinex]])
    content = base64.b64encode(hashlib.sha256(b"{}").digest()).decode()
    date = "Tue, 14 Nov 2023 22:13:20 GMT"
    to_sign = f"PUT\n/kv/a?api-version=1.0\n{date};x.azconfig.io;{content}"
    azconfig = base64.b64encode(hmac.new(key, to_sign.encode(), hashlib.sha256).digest()).decode()
    add("an HTTP date and the body's hash, both in headers", "hmac",
        {"message": "${method}\n${target}\n${timestamp};${authority};${body_hash}", "key_encoding": "base64",
         "encoding": "base64", "timestamp_header": "x-ms-date", "timestamp_format": "http-date",
         "body_hash_encoding": "base64", "body_hash_header": "x-ms-content-sha256", "header": "Authorization",
         "value": "HMAC-SHA256 Credential=${keyId}&SignedHeaders=x-ms-date;host;x-ms-content-sha256"
                  "&Signature=${signature}"},
        {"keyId": "id-1", "key": base64.b64encode(key).decode()}, method="PUT", authority="x.azconfig.io",
        path="/kv/a", query="api-version=1.0", fields=[], body="{}", now_ms=1700000000000,
        headers=[["x-ms-date", date], ["x-ms-content-sha256", content],
                 ["Authorization", "HMAC-SHA256 Credential=id-1&SignedHeaders=x-ms-date;host;x-ms-content-sha256"
                                   f"&Signature={azconfig}"]])
    nonce = "00112233445566778899aabbccddeeff"
    uuid = "00112233-4455-4677-8899-aabbccddeeff"
    stripe = hmac.new(bytes.fromhex("c0ffee"), f"{uuid}\n1700000000.{body}".encode(), hashlib.sha1).hexdigest().upper()
    add("a nonce as UUID, a key in hex, upper case, a value of several parts", "hmac",
        {"message": "${nonce}\n${timestamp}.${body}", "hash": "sha1", "key_encoding": "hex", "encoding": "HEX",
         "nonce_header": "X-Nonce", "nonce_format": "uuid", "header": "X-Signature",
         "value": "t=${timestamp},v1=${signature}, costs=$$1"}, {"key": "C0FFEE"}, method="POST", authority="api.test",
        path="/", query="", fields=[], body=body, now_ms=1700000000000, nonce=nonce,
        headers=[["X-Nonce", uuid], ["X-Signature", f"t=1700000000,v1={stripe}, costs=$1"]])
    url = base64.urlsafe_b64encode(hmac.new(b"k", b"", hashlib.sha256).digest()).decode().rstrip("=")
    add("an empty message of an absent field, base64url in the query", "hmac",
        {"message": "${header_x_absent}", "encoding": "base64url", "query": "sig"}, {"key": "k"}, method="GET",
        authority="api.test", path="/a", query="", fields=[], body=None, now_ms=0, headers=[],
        query_added=[["sig", url]])


def wsses():
    """OASIS UsernameToken Profile 1.0 section 3.1, and Emarsys's reading of it."""
    for options, user, password in [({}, "ann", "p:ss wörd"), ({"header": "X-Token", "nonce": "text"}, "b", "x"),
                                    ({"nonce": "text", "digest": "base64-of-hex"}, "customer001", "customersecret")]:
        nonce, created = "%032x" % rng.getrandbits(128), "2014-03-20T12:51:45Z"
        digest = hashlib.sha1((nonce + created + password).encode())
        value = digest.hexdigest().encode() if "digest" in options else digest.digest()
        shown = nonce if "nonce" in options else base64.b64encode(nonce.encode()).decode()
        add(f"WSSE of {user}", "wsse", options, {"username": user, "password": password}, method="GET",
            authority="api.test", path="/", query="", fields=[], body=None, now_ms=1395319905000, nonce=nonce,
            headers=[[options.get("header", "X-WSSE"),
                      f'UsernameToken Username="{user}", PasswordDigest="{base64.b64encode(value).decode()}", '
                      f'Nonce="{shown}", Created="{created}"']])


def message_signatures():
    """RFC 9421 with an RSA key, whose signatures are the same every time, and every component."""
    body = b'{"hello": "world"}'
    digest = "sha-512=:" + base64.b64encode(hashlib.sha512(body).digest()).decode() + ":"
    covered = [('"@method"', "POST"), ('"@target-uri"', "https://example.com/foo%20bar?a=b%20c&d=1+2"),
               ('"@authority"', "example.com"), ('"@scheme"', "https"),
               ('"@request-target"', "/foo%20bar?a=b%20c&d=1+2"), ('"@path"', "/foo%20bar"),
               ('"@query"', "?a=b%20c&d=1+2"), ('"@query-param";name="d"', "1%202"), ('"content-digest"', digest),
               ('"x-two"', "a, b")]
    params = "(" + " ".join(name for name, _ in covered) + ")" + (
        ';created=1700000000;expires=1700000060;keyid="k-1";alg="rsa-v1_5-sha256";nonce="n-1";tag="app"')
    base = "".join(f"{name}: {value}\n" for name, value in covered) + f'"@signature-params": {params}'
    signature = base64.b64encode(RSA.sign(base.encode(), padding.PKCS1v15(), hashes.SHA256())).decode()
    add("RFC 9421: every component and parameter, rsa-v1_5-sha256", "http-signature",
        {"algorithm": "rsa-v1_5-sha256", "components": "@method @target-uri @authority @scheme @request-target @path "
         '@query @query-param;name="d" content-digest x-two x-absent?',
         "params": "created expires keyid alg nonce tag", "expires_in": "60", "tag": "app", "digest": "sha-512"},
        {"keyId": "k-1", "key": FILE}, method="POST", authority="Example.com:443", path="/foo%20bar",
        query="a=b%20c&d=1+2", fields=[["X-Two", "a"], ["Other", "c"], ["x-two", "b"]], body=body.decode(),
        now_ms=1700000000000, nonce="n-1",
        headers=[["Content-Digest", digest], ["Signature-Input", f"sig1={params}"],
                 ["Signature", f"sig1=:{signature}:"]])


for n in range(120):
    oauth(n)
azures()
hmacs()
wsses()
message_signatures()
lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)
Path(__file__).with_name("signers_generated.json").write_text(f"[\n{lines}\n]\n")
