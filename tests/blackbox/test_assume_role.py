"""AssumeRole: a connection that holds long-term keys and a role, and signs with what STS gives for them.

The STS of these tests checks every call with botocore's own signer, and so does the S3 with the keys that STS gave out.
"""
import json
import threading
import time
import urllib.parse

import pytest
from botocore.credentials import Credentials
from conftest import World, world_settings
from kit import row, until
from kit.aws import by_botocore
from kit.upstream import answer

ID, KEY = "AKIAPOSTERNEXAMPLE00", "long/term+secret/of/the/user"
ROLE = "arn:aws:iam::123456789012:role/team/reader"
S3, STS = "s3.eu-central-1.amazonaws.com", "sts.eu-central-1.amazonaws.com"
VALUE = {"accessKeyId": ID, "secretAccessKey": KEY, "roleArn": ROLE}


class Aws:
    """STS and S3 behind one address. `refuse`: (status, code, message) of the next calls of STS."""

    def __init__(self):
        self.calls, self.given, self.lifetime, self.refuse, self.problems = [], [], 3600, None, []
        self.keys = Credentials(ID, KEY)
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, exchange, request):
        is_sts = request.fields.get("host") == STS
        exchange.send(self.sts(request) if is_sts else self.s3(request))

    def signed_by(self, request, service, keys):
        if request.fields.all("authorization") != [by_botocore(request, service, "eu-central-1", keys)]:
            self.problems.append((service, request.head))
            return False
        return True

    def sts(self, request):
        self.gate.wait(20)
        form = dict(urllib.parse.parse_qsl(request.body.decode(), strict_parsing=True))
        self.calls.append(form)
        if not self.signed_by(request, "sts", self.keys):
            return self.error("403 Forbidden", "SignatureDoesNotMatch", "The request signature does not match.")
        if self.refuse:
            return self.error(*self.refuse)
        number = len(self.given)
        self.given.append(Credentials(f"ASIAROLE{number:012d}", f"temporary/secret+{number}", f"session+token/{number}=="))
        given = self.given[-1]
        credentials = {"AccessKeyId": given.access_key, "SecretAccessKey": given.secret_key, "SessionToken": given.token,
                       "Expiration": float(int(time.time()) + self.lifetime)}
        user = {"Arn": f"arn:aws:sts::123456789012:assumed-role/reader/{form['RoleSessionName']}", "AssumedRoleId": "AROA:x"}
        result = {"AssumedRoleUser": user, "Credentials": credentials, "PackedPolicySize": None, "SourceIdentity": None}
        return answer(json.dumps({"AssumeRoleResponse": {"AssumeRoleResult": result}}), "200 OK", "Content-Type: application/json")

    @staticmethod
    def error(status, code, message):
        body = {"Error": {"Code": code, "Message": message, "Type": "Sender"}, "RequestId": "1"}
        return answer(json.dumps(body), status, "Content-Type: application/json")

    def s3(self, request):
        token = request.fields.all("x-amz-security-token")
        keys = [one for one in self.given if token == [one.token]]
        if not keys or not self.signed_by(request, "s3", keys[0]):
            return answer("denied", "403 Forbidden")
        return answer("object")


@pytest.fixture
def make_role(make_daemon, make_upstream, ca):
    def make(value=None, config=None):
        upstream = make_upstream(*ca.issue(S3, STS, "api.test"))
        upstream.answer = aws = Aws()
        world = World(make_daemon(world_settings(upstream, ca, **{f"{host}:443": upstream for host in (S3, STS)})), upstream, ca)
        made = world.daemon.connect(app="aws", type="TWO_STEP", alias="role", value=value or VALUE,
                                    config=config or {"region": "eu-central-1"})
        world.token = world.daemon.token(made["id"])
        world.id = made["id"]
        return world, aws
    return make


@pytest.fixture
def role(make_role):
    return make_role()


def get(world, path="/bucket/key"):
    return world.call("GET", path, host=S3, connection="role")


def shown(world):
    return world.daemon.api("GET", f"/api/v1/connections/{world.id}").json()


def test_a_request_is_signed_with_the_keys_of_the_role(role):
    world, aws = role
    for _ in range(3):
        assert get(world).body == b"object"
    assert aws.problems == [] and len(aws.calls) == 1
    assert aws.calls[0] == {"Action": "AssumeRole", "Version": "2011-06-15", "RoleArn": ROLE, "RoleSessionName": "postern",
                            "DurationSeconds": "3600"}
    arrived = world.upstream.requests[-1]
    assert arrived.fields.get("authorization").startswith("AWS4-HMAC-SHA256 Credential=ASIAROLE000000000000/")
    assert shown(world)["status"] == "ACTIVE"


def test_what_the_connection_says_of_the_session_is_asked_for(make_role):
    more = {"roleSessionName": "step-42@ci", "externalId": "acme+7", "durationSeconds": "900", "sessionToken": "first/session=="}
    world, aws = make_role({**VALUE, **more})
    aws.keys = Credentials(ID, KEY, "first/session==")
    assert get(world).body == b"object"
    asked = aws.calls[0]
    assert (asked["RoleSessionName"], asked["ExternalId"], asked["DurationSeconds"]) == ("step-42@ci", "acme+7", "900")
    assert aws.problems == []


def test_keys_that_end_are_replaced_before_they_do(role):
    world, aws = role
    aws.lifetime = 3
    assert get(world).status == 200
    aws.lifetime = 3600
    until(lambda: len(aws.given) == 2, 20, "the second AssumeRole")
    until(lambda: get(world).status == 200 and "session+token/1" in world.upstream.requests[-1].fields.get("x-amz-security-token"),
          what="a request with the new keys")
    assert aws.problems == []


def test_a_hundred_at_first_assume_the_role_once(role):
    world, aws = role
    aws.gate.clear()
    clients = [world.client() for _ in range(100)]
    for client in clients:
        client.send(world.head("GET", "/b/k", host=S3, connection="role"))
    until(lambda: any(r.fields.get("host") == STS for r in world.upstream.requests), what="the call of STS")
    aws.gate.set()
    assert [client.response().status for client in clients] == [200] * 100
    assert len(aws.calls) == 1
    for client in clients:
        client.close()


def test_the_keys_of_a_role_outlive_a_restart(role):
    world, aws = role
    assert get(world).status == 200
    world.daemon.kill()
    world.daemon.start()
    assert get(world).status == 200 and len(aws.calls) == 1


@row("connection-error")
@pytest.mark.parametrize("code", ["AccessDenied", "InvalidClientTokenId", "SignatureDoesNotMatch"])
def test_a_role_that_may_not_be_assumed_says_so(role, code):
    world, aws = role
    aws.refuse = ("403 Forbidden", code, "User: arn:aws:iam::123456789012:user/u is not authorized to assume it")
    response = get(world)
    assert (response.status, response.code) == (403, "connection-error")
    now = shown(world)
    assert (now["status"], now["statusReason"]) == ("ERROR", "credentials_rejected")
    assert code in now["statusText"] and "not authorized" in now["statusText"]
    assert all(request.fields.get("host") == STS for request in world.upstream.requests)


@row("token-endpoint-unavailable")
def test_an_sts_that_throttles_is_asked_again_later(role):
    world, aws = role
    aws.refuse = ("400 Bad Request", "Throttling", "Rate exceeded")
    response = get(world)
    assert (response.status, response.code) == (503, "token-endpoint-unavailable")
    assert shown(world)["status"] == "ACTIVE"
    aws.refuse = None
    until(lambda: get(world).status == 200, 20, "the role")


def test_no_key_of_either_kind_is_ever_shown(role):
    world, aws = role
    assert get(world).status == 200
    aws.refuse = ("403 Forbidden", "AccessDenied", f"echo {KEY} and temporary/secret+0")
    tested = world.daemon.api("POST", f"/api/v1/connections/{world.id}/test", {})
    told = json.dumps(shown(world)) + str(tested.json()) + world.daemon.log_file.read_text()
    for secret in (KEY, "temporary/secret", "session+token"):
        assert secret not in told


@pytest.mark.parametrize("field, bad", [("roleArn", "arn:aws:iam::1:role/x"), ("roleSessionName", "a b"),
                                        ("durationSeconds", "1h"), ("accessKeyId", "no")])
def test_a_field_that_sts_would_refuse_is_refused_when_it_is_brought(role, field, bad):
    world, _ = role
    answered = world.daemon.api("POST", "/api/v1/connections",
                                  {"name": "r", "app": "aws", "type": "TWO_STEP", "value": {**VALUE, field: bad}})
    assert answered.status == 400 and f"/value/{field}" in str(answered.json())


def test_explain_shows_where_the_signature_goes_and_asks_nobody(role):
    world, aws = role
    result = world.daemon.verb("explain", "-c", "role", f"http://{S3}/bucket/key")
    assert result.returncode == 0, result.stderr
    assert "Authorization: AWS4-HMAC-SHA256 Credential=" in result.stdout and "X-Amz-Security-Token: " in result.stdout
    assert KEY not in result.stdout and not aws.calls


def test_a_role_that_was_put_right_is_good_again_after_a_test(role):
    world, aws = role
    aws.refuse = ("403 Forbidden", "AccessDenied", "not authorized to perform: sts:AssumeRole")
    assert get(world).code == "connection-error" and shown(world)["status"] == "ERROR"
    aws.refuse = None
    tested = world.daemon.api("POST", f"/api/v1/connections/{world.id}/test").json()
    assert (tested["ok"], tested["status"]) == (True, "ACTIVE"), tested
    assert "has not ended" in tested["text"] and len(aws.given) == 1
    again = world.daemon.api("POST", f"/api/v1/connections/{world.id}/test")
    assert (again.status, again.code) == (409, "not-testable"), "a fresh token would be asked for in vain"
    assert get(world).body == b"object"
