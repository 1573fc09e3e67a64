"""`postern explain`: a dry run that says what the proxy does, and does nothing."""
import itertools
import json

import pytest

from kit import SECRET
from kit.token_server import FAULTS

numbers = itertools.count()
KINDS = [("BEARER", {"token": SECRET}, {}),
         ("BASIC", {"username": "ann", "password": SECRET}, {}),
         ("API_KEY", {"apiKey": SECRET}, {"inject": [{"header": "X-Key", "value": "Key ${apiKey}"}]}),
         ("API_KEY", {"apiKey": SECRET}, {"inject": [{"query": "key", "value": "${apiKey}"}]}),
         ("API_KEY", {"apiKey": SECRET}, {"inject": [{"cookie": "session", "value": "${apiKey}"}]}),
         ("API_KEY", {"apiKey": SECRET}, {"inject": [{"path": "/bot${apiKey}"}]}),
         ("API_KEY", {"apiKey": SECRET}, {"inject": [{"form": "token", "value": "${apiKey}"}]}),
         ("API_KEY", {"apiKey": SECRET}, {"inject": [{"json": "/token", "value": "${apiKey}"}]})]


def explain(world, *arguments):
    return world.daemon.verb("explain", *arguments)


def asked(world, *arguments):
    result = explain(world, *arguments, "-o", "json")
    return json.loads(result.stdout), result.returncode


def test_a_request_that_would_go_out(world):
    result = explain(world, "-c", "api", "-X", "POST", "http://api.test/v1/charges?z=1")
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == "forwarded"
    for step in ("read_head", "admit", "identify", "authorize", "obtain", "collect", "inject", "forward"):
        assert any(step in line for line in lines), step
    assert "POST /v1/charges?z=1  to https://api.test" in lines
    assert "  Authorization: Bearer «redacted»" in lines
    assert all(len(line) <= 80 for line in lines if not line.startswith("  ")), "it fits a terminal"
    assert SECRET not in result.stdout
    assert not world.upstream.accepted, "nothing was dialled"


def test_a_refusal_says_the_same_as_the_proxy(world):
    answer, code = asked(world, "-c", "api", "http://other.test/")
    assert (code, answer["outcome"], answer["status"]) == (4, "refused", 403)
    made = world.call(host="other.test")
    assert (made.status, made.code) == (403, answer["code"])
    assert made.json()["detail"] == answer["detail"]
    assert "may go to api.test, not to the host other.test" in answer["detail"]
    assert "postern explain -c api URL" in answer["detail"]
    decisions = [step["decision"] for step in answer["steps"]]
    assert decisions == ["allowed"] * 3 + ["refused"] + ["skipped"] * 4


@pytest.mark.parametrize("limit, asking, words", [
    ({"hosts": ["other.test"]}, {}, "token allows the hosts other.test, not api.test"),
    ({"methods": ["GET"]}, {"method": "POST"}, "token allows the methods GET, not this one")])
def test_what_the_token_does_not_allow_is_said(world, limit, asking, words):
    made = world.daemon.authorize(world.connection["id"], **limit)
    refused = world.call(token=made["token"], **asking)
    assert refused.code == "destination-not-allowed" and words in refused.json()["detail"]
    answer, code = asked(world, "-c", "api", "-X", asking.get("method", "GET"), "--as", made["id"], "http://api.test/")
    assert (code, answer["detail"]) == (4, refused.json()["detail"])


def test_a_path_outside_is_named_with_what_is_inside(world):
    made = world.daemon.connect(alias=f"below{next(numbers)}", config={"hosts": ["api.test/v1"]})
    token = world.daemon.token(made["id"])
    refused = world.call(path="/v2", connection=made["alias"], token=token)
    assert "below /v1 only" in refused.json()["detail"]


def test_a_caller_explains_its_own_calls_and_learns_no_more(world):
    other = world.daemon.connect(alias=f"other{next(numbers)}")
    who = world.daemon.authorize(world.connection["id"])

    def own(**question):
        answer = world.daemon.api("POST", "/api/v1/explain", {"url": "http://api.test/", **question}, token=who["token"])
        assert answer.status == 200, answer.body
        return answer.json()

    assert own(connection="api")["outcome"] == "forwarded"
    assert own(connection="api")["authorization"] == who["id"]
    foreign, unknown = own(connection=other["alias"]), own(connection="never-was")
    assert foreign == unknown
    assert foreign["code"] == "connection-unavailable"
    assert foreign["detail"] == world.call(connection=other["alias"], token=who["token"]).json()["detail"]
    answer, code = asked(world, "-c", other["alias"], "--as", who["id"], "http://api.test/")
    assert code == 4 and answer["connection"] == other["id"]
    assert "does not name it" in answer["steps"][2]["reason"], "an administrator sees the connection"
    assert world.daemon.api("POST", "/api/v1/explain", {"url": "/", "authorization": "tok_00000000000000000000"},
                            token=who["token"]).status == 403


@pytest.mark.parametrize("type, value, config", KINDS)
def test_no_kind_of_injection_shows_its_secret(world, type, value, config):
    alias = f"kind{next(numbers)}"
    made = world.daemon.connect(alias=alias, type=type, value=value, config={"hosts": ["api.test"], **config})
    answer, code = asked(world, "-c", alias, "-X", "POST", "http://api.test/x")
    assert (code, answer["outcome"]) == (0, "forwarded"), answer
    assert SECRET not in json.dumps(answer) and "ann" not in json.dumps(answer["request"])
    assert world.call("POST", "/x", connection=alias, token=world.daemon.token(made["id"])).status == 200
    names = [line.split(b":")[0].decode() for line in world.upstream.last().raw.split(b"\r\n\r\n")[0].split(b"\r\n")[1:]]
    assert [field["name"] for field in answer["request"]["fields"]] == names, "the head is the one that leaves"


def test_what_the_caller_sent_in_a_credentials_place_is_listed_and_not_repeated(world):
    answer, _ = asked(world, "-c", "api", "-H", "X-Api-Key: hunter2", "-H", "Accept: own/type", "http://api.test/?api_key=hunter3")
    assert [(gone["place"], gone["name"]) for gone in answer["request"]["removed"]] == [
        ("header", "X-Api-Key"), ("query", "api_key")]
    for value in ("hunter2", "hunter3", "own/type"):
        assert value not in json.dumps(answer)


def test_ends_like_every_other_verb(world):
    assert explain(world).returncode == 2
    assert explain(world, "http://api.test/", "--nonsense").returncode == 2
    assert explain(world, "--as", "tok_00000000000000000000", "http://api.test/").returncode == 3
    quiet = explain(world, "-q", "http://api.test/")
    assert (quiet.returncode, quiet.stdout) == (4, "connection-id-missing\n")
    shown = explain(world, "http://api.test/")
    assert "connections for this host: " in shown.stdout and "api" in shown.stdout


def life(oauth, connection):
    result = oauth.daemon.verb("explain", "-c", connection.id, "http://api.test/me", "-o", "json")
    return json.loads(result.stdout), result.returncode


def test_the_life_of_a_token_and_what_the_call_would_do_about_it(oauth):
    answer, code = life(oauth, oauth.connect())
    assert (code, answer["token"]["state"], answer["token"]["next"]) == (0, "FRESH", "used as it is")
    assert 3500 < answer["token"]["remaining"] <= 3600
    gate, connection, client = oauth.held_renewal("received")
    answer, code = life(oauth, connection)
    assert (code, answer["token"]["state"], answer["token"]["remaining"]) == (0, "ENDED", 0)
    gate.release()
    with client:
        assert client.response().status == 200
    assert life(oauth, connection)[0]["token"]["state"] == "FRESH"


def test_a_dead_grant_is_told_as_the_proxy_tells_it(oauth):
    oauth.server.fault = FAULTS["invalid_grant"]
    connection = oauth.connect(access=False)
    refused = connection.call()
    answer, code = life(oauth, connection)
    assert (code, answer["code"]) == (4, refused.code) == (4, "connection-needs-reconnect")
    assert answer["connectUrl"] == refused.json()["connectUrl"]
