"""The shape of every answer of ours."""
import json

import pytest
from kit import row

MEMBERS = {"type", "title", "status", "detail", "instance", "code", "retryable"}


def problems(world):
    yield "token", world.call(token=False), "http_request_denied"
    yield "name", world.call(connection=None), "http_request_error"
    yield "unknown", world.call(connection="nobody"), "http_request_denied"
    yield "host", world.call(host="other.test"), "http_request_denied"
    yield "syntax", world.refused(world.head(fields=["A : b"]))[0], "http_request_error"
    yield "method", world.call("TRACE"), "http_request_denied"
    yield "expectation", world.call(fields=["Expect: x"]), "http_request_error"
    yield "browser", world.call(fields=["Origin: https://x.test"]), "http_request_denied"
    world.upstream.answer = lambda exchange, _: exchange.reset()
    yield "closed", world.call("POST", body=b"x"), "connection_terminated"
    world.upstream.answer = b"nonsense\r\n\r\n"
    yield "malformed", world.call(), "http_protocol_error"


def test_problem_json_and_proxy_status_on_every_one(world):
    instances = set()
    for name, response, token in problems(world):
        assert response.fields.get("content-type") == "application/problem+json", name
        body = response.json()
        assert MEMBERS <= set(body), name
        assert body["type"] == f"urn:postern:problem:{body['code']}"
        assert body["status"] == response.status
        assert body["detail"].strip().endswith((".", "?")) or " " in body["detail"]
        status = response.fields.get("proxy-status")
        assert status.startswith("postern;") and f"error={token}" in status, name
        assert f'details="{body["code"]}"' in status
        assert response.fields.get("x-should-retry") in ("true", "false")
        assert response.fields.get("content-length") == str(len(response.body))
        assert "server" not in response.fields and "via" not in response.fields
        instances.add(body["instance"])
    assert len(instances) == 10, "every request has its own id"


def test_no_problem_quotes_what_was_sent(world):
    for response in (world.call(connection="q_uote_me"), world.call(host="q-uote-me.test"),
                     world.refused(world.head(fields=["q_uote_me : x"]))[0], world.call("TRACE", "/q_uote_me")):
        assert b"q_uote_me" not in response.body


def test_a_head_request_gets_the_head_only(world):
    with world.client() as client:
        client.send(world.head("HEAD", connection="nobody"))
        assert client.response("HEAD").status == 403
        client.send(world.head())
        assert client.response().status == 200


def test_a_refusal_that_is_not_about_framing_keeps_the_connection(world):
    with world.client() as client:
        client.send(world.head(connection="nobody"))
        assert client.response().status == 403
        client.send(world.head("POST", connection="nobody", body=b"small"))
        assert client.response().status == 403
        client.send(world.head())
        assert client.response().status == 200


def test_every_request_is_in_the_access_log_whatever_happened(world):
    from kit import until

    world.call(path="/logged?secret=query")
    world.call(path="/refused", connection="nobody")
    lines = until(lambda: [x for x in world.daemon.log() if x.get("path") in ("/logged", "/refused")][1:] and
                  [x for x in world.daemon.log() if x.get("path") in ("/logged", "/refused")])
    by_path = {x["path"]: x for x in lines}
    assert str(by_path["/logged"]["status"]) == "200" and str(by_path["/refused"]["status"]) == "403"
    assert by_path["/refused"]["code"] == "connection-unavailable"
    assert "secret=query" not in json.dumps(lines)


@row("tunnel-not-supported")
@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/1.0"])
def test_connect_is_refused_before_any_200(world, version):
    with world.client() as client:
        client.send(world.head("CONNECT", target="api.test:443", host="api.test:443", version=version))
        response = client.response()
        assert (response.status, response.code) == (403, "tunnel-not-supported")
    assert not world.upstream.requests
