"""The checker itself: an answer that is not as documented is noticed, whatever is wrong with it."""
import json

import pytest
from kit.contract import contract

JSON = ("Content-Type", "application/json")
PROBLEM = ("Content-Type", "application/problem+json")
LINK = {"id": "link_x", "url": "http://x/", "status": "PENDING", "reason": None, "text": None, "provider": "acme",
        "authConfig": "ac_x", "name": "A link", "device": False, "scopes": [], "connection": None, "account": None,
        "created": "2030-01-01T00:00:00.000Z", "expires": "2030-01-01T00:10:00.000Z"}
NOT_FOUND = {"type": "urn:postern:problem:not-found", "title": "Not found", "status": 404, "detail": "Nothing.",
             "instance": "req_x", "code": "not-found", "retryable": False}


def wrong(method, target, status, fields, body, **more):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return contract().check(method, target, status, fields, data, **more)


def test_what_is_documented_is_fine():
    assert wrong("GET", "/api/v1/links/x", 200, [JSON], LINK) == []
    assert wrong("GET", "/api/v1/links/x", 404, [PROBLEM], NOT_FOUND) == []
    assert wrong("HEAD", "/api/v1/links/x", 200, [JSON], b"") == []
    assert wrong("DELETE", "/api/v1/links/x", 204, [], b"") == []
    assert wrong("GET", "/nowhere", 404, [PROBLEM], NOT_FOUND) == []


@pytest.mark.parametrize("change", [
    {"more": 1}, {"id": "conn_x"}, {"status": "pending"}, {"created": "yesterday"}, {"device": "no"}, {"scopes": [1]},
    {"reason": "whatever"}, {"name": None}])
def test_a_member_that_is_not_documented_so_is_noticed(change):
    assert wrong("GET", "/api/v1/links/x", 200, [JSON], {**LINK, **change})


def test_a_member_that_is_missing_is_noticed():
    for name in LINK:
        if name != "scopes":
            assert wrong("GET", "/api/v1/links/x", 200, [JSON], {k: v for k, v in LINK.items() if k != name}), name


@pytest.mark.parametrize("status", [206, 302, 409, 418, 502])
def test_a_status_that_is_not_documented_is_noticed(status):
    body = {**NOT_FOUND, "status": status}
    assert wrong("GET", "/api/v1/links/x", status, [PROBLEM], body)


def test_a_code_of_another_status_is_noticed():
    assert wrong("GET", "/api/v1/links/x", 404, [PROBLEM], {**NOT_FOUND, "code": "not-permitted"})
    assert wrong("GET", "/api/v1/links/x", 404, [PROBLEM], {**NOT_FOUND, "status": 400})
    assert wrong("GET", "/api/v1/links", 404, [PROBLEM], NOT_FOUND) == []  # there is no GET: no such path
    assert wrong("POST", "/api/v1/organizations", 404, [PROBLEM], NOT_FOUND)


def test_a_path_that_is_not_documented_is_noticed():
    assert wrong("GET", "/api/v1/nowhere", 200, [JSON], {})
    assert wrong("GET", "/api/v1/links/x/y", 200, [JSON], LINK)


@pytest.mark.parametrize("fields", [[("Content-Type", "text/html")], [], [JSON, ("X-More", "1")],
                                    [JSON, ("Access-Control-Allow-Origin", "*")]])
def test_a_field_that_is_not_documented_is_noticed(fields):
    assert wrong("GET", "/api/v1/links/x", 200, fields, LINK)


def test_fields_that_are_promised_have_to_come():
    body = {**NOT_FOUND, "status": 401, "code": "unauthenticated", "type": "urn:postern:problem:unauthenticated"}
    assert wrong("GET", "/api/v1/links/x", 401, [PROBLEM], body)
    assert wrong("GET", "/api/v1/links/x", 401, [PROBLEM, ("WWW-Authenticate", "Bearer")], body) == []
    body = {**NOT_FOUND, "status": 405, "code": "method-not-allowed"}
    assert wrong("PUT", "/api/v1/links/x", 405, [PROBLEM, ("Allow", "GET, HEAD, DELETE")], body) == []
    for allow in ("GET", "GET, HEAD, DELETE, PUT", ""):
        assert wrong("PUT", "/api/v1/links/x", 405, [PROBLEM, ("Allow", allow)], body), allow


def test_a_body_where_there_is_none_and_none_where_there_is_one_are_noticed():
    assert wrong("DELETE", "/api/v1/links/x", 204, [], b"{}")
    assert wrong("GET", "/api/v1/links/x", 200, [JSON], b"")
    assert wrong("GET", "/api/v1/links/x", 200, [JSON], b"{")


def test_a_request_that_is_taken_has_to_be_documented_too():
    made = {"sent": b'{"provider": "acme"}'}
    assert wrong("POST", "/api/v1/links", 201, [JSON], LINK, **made) == []
    assert wrong("POST", "/api/v1/links", 201, [JSON], LINK, sent=b'{"provider": "acme", "scope": "personal"}') == []
    assert wrong("POST", "/api/v1/links", 201, [JSON], LINK, sent=b'{"nosuch": 1}')
    assert wrong("POST", "/api/v1/links", 201, [JSON], LINK, sent=b'{"scope": "EVERYONE"}')
    page = {"data": [], "cursor": None, "hasMore": False}
    assert wrong("GET", "/api/v1/connections?tag=a&tag=b", 200, [JSON], page) == []
    assert wrong("GET", "/api/v1/connections?nosuch=1", 200, [JSON], page)


def test_an_answer_names_its_request_the_same_everywhere():
    assert wrong("GET", "/nowhere", 404, [PROBLEM, ("X-Request-Id", "req_x")], NOT_FOUND) == []
    assert wrong("GET", "/nowhere", 404, [PROBLEM, ("X-Request-Id", "req_y")], NOT_FOUND)


def test_on_the_health_listener_there_is_nothing_but_probes():
    assert wrong("POST", "/api/v1/links", 404, [PROBLEM], NOT_FOUND, health=True) == []
