"""AWS Signature Version 4: any client with any keys goes through, and what arrives is signed as botocore would sign it.

botocore is the independent implementation: the clients of these tests sign with keys that mean nothing, and every
request that arrives is signed once more by botocore with the real keys and compared byte for byte.
"""
import hashlib
import hmac
import os
import random
import re
import threading
import urllib.parse

import botocore.session
import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from conftest import World, world_settings
from kit import row, until
from kit.aws import by_botocore, finish, signed_names
from kit.upstream import answer

ID, KEY, TOKEN = "AKIAPOSTERNEXAMPLE00", "real/Secret+Key/of/the/upstream", "real+session/token=="
DUMMY = Credentials("AKIDNOBODY0000000000", "nothing")
S3, STS, API = "s3.us-east-1.amazonaws.com", "sts.amazonaws.com", "abc123.execute-api.eu-central-1.amazonaws.com"
MIB = 1024 * 1024


def settings_of(upstream, ca, **limits):
    hosts = {f"{host}:443": upstream for host in (S3, STS, API, "bucket." + S3, "minio.test")}
    return {**world_settings(upstream, ca, **hosts), **({"limits": limits} if limits else {})}


def connect(daemon, **members):
    """Connections `aws` (long-term keys) and `sts` (temporary ones), and a token for both."""
    config = {"services": ["sts"], "hosts": [API, "bucket." + S3]}
    keys = {"accessKeyId": ID, "secretAccessKey": KEY}
    made = [daemon.connect(app="aws", type="AWS_SIGV4", alias="aws", value=keys, config=config, **members),
            daemon.connect(app="aws", type="AWS_SIGV4", alias="temporary", value={**keys, "sessionToken": TOKEN},
                           config=config, **members)]
    return daemon.token(*(one["id"] for one in made))


@pytest.fixture(scope="module")
def aws_leaf(ca):
    return ca.issue(S3, STS, API, "bucket." + S3, "minio.test", "api.test")


@pytest.fixture(scope="module")
def make_aws(make_daemon, make_upstream, aws_leaf, ca):
    def make(**limits):
        upstream = make_upstream(*aws_leaf)
        world = World(make_daemon(settings_of(upstream, ca, **limits)), upstream, ca)
        world.token = connect(world.daemon)
        return world
    return make


@pytest.fixture(scope="module")
def _aws(make_aws):
    world = make_aws()
    yield world
    assert world.daemon.stop() == 0, world.daemon.log_file.read_text()[-4000:]


@pytest.fixture
def aws(_aws):
    _aws.upstream.reset()
    return _aws


# --- what botocore says of a request that arrived

def real(connection):
    return Credentials(ID, KEY, TOKEN if connection == "temporary" else None)


def must_be_signed(arrived, service, region, connection="aws"):
    assert arrived.fields.all("authorization") == [by_botocore(arrived, service, region, real(connection))]
    assert arrived.fields.all("x-amz-security-token") == ([TOKEN] if connection == "temporary" else [])
    if service == "s3":
        said = arrived.fields.get("x-amz-content-sha256")
        assert said == hashlib.sha256(arrived.body).hexdigest()


# --- a thousand requests

SAFE = "-._~"


def text(rng, most, alphabet="abcXYZ019-._~ +/%&=?:@!$'()*,;é☃"):
    return "".join(rng.choice(alphabet) for _ in range(rng.randrange(most)))


def generated(rng):
    """A request as an SDK would sign it: (service, region, host, method, target, fields, body)."""
    service, region, host = rng.choice([("s3", "us-east-1", S3), ("s3", "eu-west-3", "bucket." + S3),
                                        ("sts", "us-east-1", STS), ("execute-api", "eu-central-1", API)])
    path = "/" + "/".join(urllib.parse.quote(text(rng, 12), safe=SAFE) for _ in range(rng.randrange(4)))
    if service != "s3" and rng.random() < 0.2:
        path = rng.choice(["//", "/./", "/a/../b", "/a/./b/", "/a//b/.."]) + path
    pairs = [(urllib.parse.quote(text(rng, 8), safe=SAFE), urllib.parse.quote(text(rng, 8), safe=SAFE))
             for _ in range(rng.randrange(5))]
    query = "&".join(f"{name}={value}" for name, value in pairs if name)
    fields = {}
    if rng.random() < 0.5:
        fields["Content-Type"] = rng.choice(["application/json", "text/plain;  charset=utf-8"])
    for number in range(rng.randrange(4)):
        fields[rng.choice(["x-amz-meta-", "X-Custom-", "amz-sdk-"]) + str(number)] = \
            ("a" + text(rng, 20, "ab  c\t,\"=1") + "z")
    method = rng.choice(["GET", "PUT", "POST", "DELETE", "HEAD"])
    body = rng.randbytes(rng.randrange(3000)) if method in ("PUT", "POST") else b""
    return service, region, host, method, path + ("?" + query if query else ""), fields, body


def test_a_thousand_requests_are_signed_as_botocore_signs_them(aws):
    aws.upstream.answer = answer(b"")
    rng = random.Random(20150830)
    with aws.client() as client:
        for number in range(1000):
            service, region, host, method, target, fields, body = generated(rng)
            connection = rng.choice(["aws", "temporary"])
            kind = S3SigV4Auth if service == "s3" else SigV4Auth
            request = AWSRequest(method, f"http://{host}{target}", fields, body)
            kind(DUMMY, service, region).add_auth(request)
            lines = [f"{name}: {value}" for name, value in request.headers.items()]
            client.send(aws.head(method, target, host=host, connection=connection, fields=lines,
                                 body=body if method in ("PUT", "POST") else None))
            response = client.response(method)
            assert response.status == 200, (number, response.body, target)
            arrived = aws.upstream.requests[-1]
            assert arrived.target == target and arrived.body == body
            must_be_signed(arrived, service, region, connection)
            listed = set(signed_names(request.headers["Authorization"]))
            assert set(signed_names(arrived.fields.get("authorization"))) == \
                listed | ({"x-amz-security-token"} if connection == "temporary" else set())
    assert len(aws.upstream.requests) == 1000


def test_presigned_urls_are_made_anew_as_botocore_makes_them(aws):
    aws.upstream.answer = answer(b"")
    rng = random.Random(7)
    for number in range(100):
        service, region, host, method, target, _, _ = generated(rng)
        if service != "s3":
            service, region, host, method, target = "sts", "us-east-1", STS, "GET", f"/?Action=A{number}&Version=1"
        connection = rng.choice(["aws", "temporary"])
        kind = S3SigV4QueryAuth if service == "s3" else SigV4QueryAuth
        # botocore keeps one parameter of a name
        path, _, query = target.partition("?")
        query = "&".join(dict((pair.split("=")[0], pair) for pair in query.split("&") if pair).values())
        plain = AWSRequest(method, f"http://{host}{path}" + ("?" + query if query else ""))
        kind(DUMMY, service, region, expires=60 + number).add_auth(plain)
        sent = plain.url[len(f"http://{host}"):]
        assert aws.call(method, sent, host=host, connection=connection).status == 200
        arrived = aws.upstream.requests[-1]
        got = dict(urllib.parse.parse_qsl(arrived.target.partition("?")[2], keep_blank_values=True))
        again = AWSRequest(method, f"http://{host}{path}" + ("?" + query if query else ""))
        finish(kind(real(connection), service, region, expires=60 + number), again, got["X-Amz-Date"])
        assert got == dict(urllib.parse.parse_qsl(again.url.partition("?")[2], keep_blank_values=True))
        assert "authorization" not in arrived.fields


def test_no_answer_shows_the_signature(aws):
    """A presigned URL in a redirect would be good for a week, whatever is revoked."""
    aws.upstream.answer = lambda exchange, request: exchange.send(answer(
        b"", "307 Temporary Redirect", f"Location: https://{S3}{request.target}", f"X-Echo: {request.fields.get('authorization')}"))
    presigned = AWSRequest("GET", f"http://{S3}/b/k")
    S3SigV4QueryAuth(DUMMY, "s3", "us-east-1", expires=604800).add_auth(presigned)
    for target in ("/b/k", presigned.url[len(f"http://{S3}"):]):
        response = aws.call("GET", target, host=S3, connection="aws")
        arrived = aws.upstream.requests[-1]
        signature = re.search(r"Signature=([0-9a-f]{64})", arrived.target + str(arrived.fields.get("authorization")))[1]
        assert response.status == 307 and signature.encode() not in response.raw


# --- real clients

def client_of(world, service, connection="aws", **more):
    session = botocore.session.Session()
    host = {"s3": S3, "sts": STS}[service]
    return session.create_client(
        service, region_name="us-east-1", endpoint_url=f"http://{host}", aws_access_key_id="any", aws_secret_access_key="any",
        config=Config(proxies={"http": f"http://{connection}:{world.token}@{world.daemon.proxy}"},
                      retries={"max_attempts": 0}, **more))


def test_botocore_itself_puts_and_gets_with_keys_that_mean_nothing(aws):
    stored = {}

    def store(exchange, request):
        path = request.target.partition("?")[0]
        if request.method == "PUT":
            stored[path] = request.body
            return exchange.send(answer(b"", "200 OK", 'ETag: "1"'))
        exchange.send(answer(stored.get(path, b"")))

    aws.upstream.answer = store
    s3 = client_of(aws, "s3", s3={"addressing_style": "path"})
    body = os.urandom(3 * MIB)
    s3.put_object(Bucket="b", Key="a key/with ünusual (signs)+.txt", Body=body, Metadata={"a": "b  c"})
    must_be_signed(aws.upstream.requests[-1], "s3", "us-east-1")
    assert s3.get_object(Bucket="b", Key="a key/with ünusual (signs)+.txt")["Body"].read() == body
    must_be_signed(aws.upstream.requests[-1], "s3", "us-east-1")


def test_botocore_calls_a_service_that_is_not_s3_with_temporary_keys(aws):
    aws.upstream.answer = answer(
        b"<GetCallerIdentityResponse xmlns='https://sts.amazonaws.com/doc/2011-06-15/'><GetCallerIdentityResult>"
        b"<Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>",
        "200 OK", "Content-Type: text/xml")
    assert client_of(aws, "sts", "temporary").get_caller_identity()["Account"] == "123456789012"
    must_be_signed(aws.upstream.requests[-1], "sts", "us-east-1", "temporary")


def test_an_sdk_that_knows_no_proxy_has_its_token_where_a_session_token_goes(aws):
    aws.upstream.answer = answer(b"", "200 OK", 'ETag: "1"')
    s3 = botocore.session.Session().create_client(
        "s3", region_name="us-east-1", endpoint_url=f"http://{aws.daemon.proxy}/c/aws", aws_access_key_id="any",
        aws_secret_access_key="any", aws_session_token=aws.token, config=Config(s3={"addressing_style": "path"}))
    s3.put_object(Bucket="b", Key="k/ü", Body=b"hello")
    arrived = aws.upstream.requests[-1]
    assert arrived.target == "/b/k/%C3%BC" and aws.token.encode() not in arrived.raw
    must_be_signed(arrived, "s3", "us-east-1")


def test_a_client_that_signs_nothing_is_signed_for_the_host_it_calls(aws):
    assert aws.call("GET", "/?Action=GetCallerIdentity", host=STS, connection="aws").status == 200
    must_be_signed(aws.upstream.last(), "sts", "us-east-1")
    assert aws.call("PUT", "/stage/x?b=2&a=1", host=API, connection="aws", body=b"hello",
                    fields=["Content-Type: text/plain"]).status == 200
    arrived = aws.upstream.requests[-1]
    must_be_signed(arrived, "execute-api", "eu-central-1")
    assert signed_names(arrived.fields.get("authorization")) == ["content-type", "host", "x-amz-date"]
    assert arrived.body == b"hello"


def test_an_s3_of_ones_own_is_signed_as_its_connection_says(aws):
    made = aws.daemon.connect(app="http", type="AWS_SIGV4", alias="minio",
                              value={"accessKeyId": ID, "secretAccessKey": KEY},
                              config={"hosts": ["minio.test"], "sign": {"region": "here", "service": "s3"}})
    token = aws.daemon.token(made["id"])
    assert aws.call("PUT", "/bucket/key", host="minio.test", connection="minio", token=token, body=b"x").status == 200
    must_be_signed(aws.upstream.last(), "s3", "here")


# --- chunks

def chunked(parts, trailer=None):
    mark = ";chunk-signature=" + "0" * 64 + "\r\n"
    out = b"".join(f"{len(part):x}{mark}".encode() + part + b"\r\n" for part in parts)
    out += ("0" + mark).encode()
    if trailer:
        return out + f"{trailer}\r\nx-amz-trailer-signature:{'0' * 64}\r\n\r\n".encode()
    return out + b"\r\n"


def put_chunks(world, body, kind="STREAMING-AWS4-HMAC-SHA256-PAYLOAD", **more):
    return world.call("PUT", "/b/k", host=S3, connection="aws", body=body,
                      fields=["Content-Encoding: aws-chunked", f"X-Amz-Content-Sha256: {kind}",
                              "X-Amz-Decoded-Content-Length: 5", *more.get("fields", ())])


def sign_key(date, region, service):
    key = ("AWS4" + KEY).encode()
    for step in (date, region, service, "aws4_request"):
        key = hmac.new(key, step.encode(), hashlib.sha256).digest()
    return key


def must_be_chained(arrived, parts, trailer=None):
    """Every chunk is signed over the one before it, from the signature of the head on."""
    time, authorization = arrived.fields.get("x-amz-date"), arrived.fields.get("authorization")
    scope = f"{time[:8]}/us-east-1/s3/aws4_request"
    key, previous = sign_key(time[:8], "us-east-1", "s3"), authorization.rsplit("=", 1)[1]
    empty = hashlib.sha256(b"").hexdigest()

    def sign(kind, rest):
        return hmac.new(key, "\n".join([kind, time, scope, previous, rest]).encode(), hashlib.sha256).hexdigest()

    wanted = b""
    for part in [*parts, b""]:
        previous = sign("AWS4-HMAC-SHA256-PAYLOAD", empty + "\n" + hashlib.sha256(part).hexdigest())
        wanted += f"{len(part):x};chunk-signature={previous}\r\n".encode() + part + (b"\r\n" if part else b"")
    if trailer:
        previous = sign("AWS4-HMAC-SHA256-TRAILER", hashlib.sha256(f"{trailer}\n".encode()).hexdigest())
        wanted += f"{trailer}\r\nx-amz-trailer-signature:{previous}\r\n".encode()
    assert arrived.body == wanted + b"\r\n"


def test_signed_chunks_are_signed_anew_on_their_way(aws):
    parts = [os.urandom(65536), os.urandom(200_000), b"end"]
    assert put_chunks(aws, chunked(parts)).status == 200
    arrived = aws.upstream.last()
    must_be_chained(arrived, parts)
    assert arrived.fields.get("x-amz-content-sha256") == "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"


def test_signed_trailers_are_signed_anew_too(aws):
    trailer = "x-amz-checksum-crc32c:sOO8/Q=="
    assert put_chunks(aws, chunked([b"hello"], trailer), "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
                      fields=["X-Amz-Trailer: x-amz-checksum-crc32c"]).status == 200
    must_be_chained(aws.upstream.last(), [b"hello"], trailer)


def test_unsigned_chunks_go_as_they_come(aws):
    body = b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n"
    assert put_chunks(aws, body, "STREAMING-UNSIGNED-PAYLOAD-TRAILER").status == 200
    assert aws.upstream.last().body == body


@row("malformed-request")
@pytest.mark.parametrize("body", [b"hello", chunked([b"hello"])[:-2] + b"xx", chunked([b"x" * (MIB + 1)])])
def test_chunks_that_are_none_end_the_request_unfinished(aws, body):
    response = put_chunks(aws, body)
    assert (response.status, response.code) == (400, "malformed-request")
    assert not any(request.complete for request in aws.upstream.requests)


def test_a_body_that_says_unsigned_is_streamed_as_it_comes(aws):
    assert aws.call("PUT", "/b/k", host=S3, connection="aws", body=b"x" * 100,
                    fields=["X-Amz-Content-Sha256: UNSIGNED-PAYLOAD"]).status == 200
    assert aws.upstream.last().fields.get("x-amz-content-sha256") == "UNSIGNED-PAYLOAD"


# --- bodies that are larger than memory may be

def files_of(daemon):
    """What the daemon has open in its state without a name."""
    folder, found = f"/proc/{daemon.process.pid}/fd", []
    for number in os.listdir(folder):
        try:
            name = os.readlink(f"{folder}/{number}")
        except OSError:
            continue
        if name.startswith(str(daemon.state)) and name.endswith("(deleted)"):
            found.append(f"{folder}/{number}")
    return found


def test_a_large_body_waits_in_a_file_that_nobody_can_read_until_its_hash_is_known(aws):
    body = b"plain text that must not lie on a disk. " * (5 * MIB // 40)
    with aws.client() as client:
        client.send(aws.head("PUT", "/b/large", host=S3, connection="aws", fields=[f"Content-Length: {len(body)}"]))
        client.send(body[:3 * MIB])
        name = until(lambda: files_of(aws.daemon), what="the file")[0]
        until(lambda: os.stat(name).st_size > 2 * MIB, what="bytes in the file")
        with open(name, "rb") as file:
            assert b"plain text" not in file.read()
        assert not aws.upstream.requests
        client.send(body[3 * MIB:])
        assert client.response().status == 200
    must_be_signed(aws.upstream.last(), "s3", "us-east-1")
    assert aws.upstream.last().fields.get("content-length") == str(len(body))
    until(lambda: not files_of(aws.daemon), what="the end of the file")


def test_a_large_chunked_body_goes_out_with_its_length(aws):
    block = os.urandom(65536)
    with aws.client() as client:
        client.send(aws.head("PUT", "/b/large", host=S3, connection="aws", fields=["Transfer-Encoding: chunked"]))
        for _ in range(40):
            client.send(b"10000\r\n" + block + b"\r\n")
        client.send(b"0\r\n\r\n")
        assert client.response().status == 200
    arrived = aws.upstream.last()
    assert arrived.body == block * 40 and arrived.fields.get("content-length") == str(40 * 65536)
    must_be_signed(arrived, "s3", "us-east-1")


def test_a_body_of_known_hash_is_not_held_at_all(aws):
    """The first bytes arrive before the last ones were sent."""
    body, here = os.urandom(2 * MIB), threading.Event()

    def look(exchange, request):
        here.set()
        exchange.read_body(request)
        exchange.send(answer(b""))

    aws.upstream.answer, aws.upstream.lazy = look, True
    with aws.client() as client:
        client.send(aws.head("PUT", "/b/k", host=S3, connection="aws", fields=[
            f"Content-Length: {len(body)}", "X-Amz-Content-Sha256: " + hashlib.sha256(body).hexdigest()]))
        client.send(body[:MIB])
        assert here.wait(20)
        client.send(body[MIB:])
        assert client.response().status == 200
    must_be_signed(aws.upstream.last(), "s3", "us-east-1")


@pytest.mark.parametrize("size", [1000, 3 * MIB])
def test_nothing_is_sent_of_a_body_that_is_cut(aws, size):
    with aws.client() as client:
        client.send(aws.head("PUT", "/b/k", host=S3, connection="aws", fields=[f"Content-Length: {size}"]))
        client.send(b"x" * (size - 1))
    until(lambda: not files_of(aws.daemon), what="the end of the file")
    assert aws.call("GET", "/b/after", host=S3, connection="aws").status == 200
    assert [request.target for request in aws.upstream.requests] == ["/b/after"]


@row("malformed-request")
def test_nothing_is_sent_of_a_body_with_a_bad_chunk(aws):
    for start in (b"", b"100000\r\n" + b"x" * MIB + b"\r\n100000\r\n" + b"x" * MIB + b"\r\n"):
        with aws.client() as client:
            client.send_as_far_as_it_goes(aws.head("PUT", "/b/k", host=S3, connection="aws",
                                                   fields=["Transfer-Encoding: chunked"]) + start + b"zz\r\n")
            response = client.response()
            assert (response.status, response.code) == (400, "malformed-request")
    assert not aws.upstream.requests


@row("body-too-large-to-sign")
@pytest.mark.parametrize("fields", [["Content-Length: 4194304"], ["Transfer-Encoding: chunked"]])
def test_a_body_that_is_too_large_to_keep_is_413(make_aws, fields):
    for limits in ({"body_spill": "2MiB"}, {"body_spill": "none"}):
        world = make_aws(**limits)
        piece = b"x" * MIB if "Length" in fields[0] else b"100000\r\n" + b"x" * MIB + b"\r\n"
        with world.client() as client:
            client.send_as_far_as_it_goes(world.head("PUT", "/b/k", host=S3, connection="aws", fields=fields) + piece * 4)
            response = client.response()
            assert (response.status, response.code) == (413, "body-too-large-to-sign")
            assert response.fields.get("x-should-retry") == "false"
            assert client.is_closed()
        assert not world.upstream.requests
        assert world.daemon.stop() == 0


@row("body-too-large-to-sign")
def test_an_entry_may_forbid_files(aws):
    made = aws.daemon.connect(app="http", type="AWS_SIGV4", alias="memory-only",
                              value={"accessKeyId": ID, "secretAccessKey": KEY},
                              config={"hosts": ["minio.test"], "sign": {"region": "r", "service": "s3", "spill": "no"}})
    response = aws.call("PUT", "/b/k", host="minio.test", connection="memory-only", token=aws.daemon.token(made["id"]),
                        body=b"x" * (2 * MIB))
    assert (response.status, response.code) == (413, "body-too-large-to-sign")
    assert not aws.upstream.requests


@row("overloaded")
def test_a_full_disk_is_503_and_nothing_is_sent(make_aws):
    world = make_aws()
    assert world.call("GET", "/", host=STS, connection="aws").status == 200
    world.upstream.reset()
    world.daemon.limit_files(MIB)
    response = world.call("PUT", "/b/k", host=S3, connection="aws", body=b"x" * (4 * MIB))
    assert (response.status, response.code) == (503, "overloaded")
    assert not world.upstream.requests
    world.daemon.limit_files()
    assert world.call("PUT", "/b/k", host=S3, connection="aws", body=b"x" * (4 * MIB)).status == 200
    assert world.daemon.stop() == 0


# --- what is refused, and what is shown

@row("malformed-request")
def test_a_call_whose_region_nobody_names_is_400_and_says_what_to_do(aws):
    made = aws.daemon.connect(app="http", type="AWS_SIGV4", alias="nowhere",
                              value={"accessKeyId": ID, "secretAccessKey": KEY}, config={"hosts": ["minio.test"]})
    response = aws.call(host="minio.test", connection="nowhere", token=aws.daemon.token(made["id"]))
    assert (response.status, response.code) == (400, "malformed-request")
    assert "region and service" in response.json()["detail"]
    assert not aws.upstream.requests


def test_the_callers_own_keys_and_tokens_never_arrive(aws):
    assert aws.call("GET", "/b?X-Amz-Security-Token=mine&x=1", host=S3, connection="aws", fields=[
        "X-Amz-Security-Token: mine", "X-Amz-Date: 20000101T000000Z", "Authorization: AWS AKID:v2"]).status == 200
    arrived = aws.upstream.last()
    assert arrived.target == "/b?x=1" and b"mine" not in arrived.raw and b"20000101" not in arrived.raw
    must_be_signed(arrived, "s3", "us-east-1")


def test_explain_shows_where_the_signature_goes_and_no_key(aws):
    result = aws.daemon.verb("explain", "-c", "aws", "-X", "PUT", f"http://{S3}/b/k", "-o", "json")
    assert result.returncode == 0, result.stderr
    assert "AWS4-HMAC-SHA256 Credential=" in result.stdout and "SignedHeaders=host;x-amz-content-sha256;x-amz-date" in \
        result.stdout
    assert KEY not in result.stdout and ID not in result.stdout
    assert re.search(r"Signature=[0-9a-f]{64}", result.stdout) is None


def test_what_signs_must_be_said_rightly(aws):
    def wrong(config, value=None):
        reply = aws.daemon.api("POST", "/api/v1/connections", {
            "app": "http", "type": "AWS_SIGV4", "value": value or {"accessKeyId": ID, "secretAccessKey": KEY},
            "config": {"hosts": ["minio.test"], **config}})
        assert reply.status == 400
        return [error["pointer"] for error in reply.json()["errors"]]

    assert wrong({"sign": {"regoin": "x"}}) == ["/config/sign/regoin"]
    assert wrong({"sign": {"scheme": "aws-sigv5"}}) == ["/config/sign/scheme"]
    assert wrong({"sign": {"payload": "maybe"}}) == ["/config/sign/payload"]
    assert wrong({}, {"accessKeyId": ID}) == ["/value/secretAccessKey"]
    reply = aws.daemon.api("POST", "/api/v1/connections", {
        "app": "aws", "type": "AWS_SIGV4", "value": {"accessKeyId": ID, "secretAccessKey": KEY},
        "config": {"hosts": ["evil.example.com"]}})
    assert reply.status == 400 and reply.json()["errors"][0]["pointer"] == "/config/hosts"
