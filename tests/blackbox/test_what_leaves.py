"""What of a caller's request reaches the service, and what never does."""
import pytest
from kit import SECRET, row


@pytest.mark.parametrize("field", [
    "Authorization: Basic bWluZTptaW5l", "Cookie: a=mine", "X-Api-Key: mine", "X-Auth-Token: mine", "Api-Key: mine",
    "X-Amz-Security-Token: mine", "Forwarded: for=mine", "X-Forwarded-For: mine", "X-Forwarded-Host: mine",
    "X-Forwarded-Proto: mine", "X-Forwarded-Anything: mine", "X-Original-URL: /mine", "X-Rewrite-URL: /mine",
    "X-HTTP-Method-Override: mine", "X-HTTP-Method: mine", "Proxy-Connection: mine", "Keep-Alive: mine",
    "X-Postern-Anything: mine", "Upgrade: mine",
])
def test_a_field_that_is_removed(world, field):
    assert world.call(fields=[field]).status == 200
    assert b"mine" not in world.upstream.last().raw


def test_removed_whatever_its_case_and_number(world):
    assert world.call(fields=["AUTHORIZATION: mine", "authorization: mine", "aUTHORIZATION: mine"]).status == 200
    assert world.upstream.last().fields.all("authorization") == [f"Bearer {SECRET}"]


@pytest.mark.parametrize("query", ["access_token=mine", "api_key=mine", "key=mine", "%6bey=mine"])
def test_a_query_parameter_that_is_removed(world, query):
    assert world.call(path=f"/p?a=1&{query}&b=2").status == 200
    target = world.upstream.last().target
    assert target == "/p?a=1&b=2"


@pytest.mark.parametrize("query", ["a=%2F%2f+%20", "a&b=&=c&&d", "x=key&keys=1&monkey=2", "a=1?b=2", "KEY=1", "%C3%A4"])
def test_other_queries_are_left_alone(world, query):
    assert world.call(path=f"/p?{query}").status == 200
    assert world.upstream.last().target == f"/p?{query}"


@pytest.mark.parametrize("path", ["/", "/a//b", "/a/./b", "/a/../b", "/%2e%2e/%2F", "/a;b=c", "/~a'()*!$,@:", "/%zz"])
def test_paths_are_not_normalised_without_a_path_rule(world, path):
    assert world.call(path=path).status == 200
    assert world.upstream.last().target == path


def test_our_own_fields_and_the_callers_token_stay_here(world):
    assert world.call().status == 200
    raw = world.upstream.last().raw.lower()
    for word in (b"proxy-", b"x-connection-id", b"x-postern", world.token.lower().encode()):
        assert word not in raw


def test_other_fields_arrive_in_order_with_their_case(world):
    sent = ["X-One: 1", "x-TWO: a  b", "X-One: 2", "Accept: */*", "X-Empty:", "User-Agent: me", "X-Latin: \xe9"]
    assert world.call(fields=sent).status == 200
    seen = [f"{n}: {v}".rstrip() for n, v in world.upstream.last().fields]
    assert [line for line in seen if line.split(":")[0] in {s.split(":")[0] for s in sent}] == [
        s if not s.endswith(":") else s for s in sent]


@row("wire:connection-names-a-field")
def test_a_field_named_by_connection_is_dropped_and_the_injected_one_is_not(world):
    assert world.call(fields=["Connection: x-hop, authorization", "X-Hop: mine", "Authorization: mine"]).status == 200
    seen = world.upstream.last()
    assert b"mine" not in seen.raw
    assert seen.fields.all("authorization") == [f"Bearer {SECRET}"]


@row("wire:connection-names-a-field")
def test_host_keeps_its_meaning_when_connection_names_it(world):
    assert world.call(fields=["Connection: host"]).status == 200
    assert world.upstream.last().fields.all("host") == ["api.test"]


@row("wire:absolute-form-and-host-disagree")
def test_the_target_wins_over_host(world):
    with world.client() as client:
        client.send(world.head().replace(b"Host: api.test", b"Host: evil.test"))
        assert client.response().status == 200
    assert world.upstream.last().fields.all("host") == ["api.test"]


def test_it_names_itself_in_via(world):
    assert world.call(fields=["Via: 1.1 before"]).status == 200
    via = ", ".join(world.upstream.last().fields.all("via"))
    assert via.startswith("1.1 before") and "postern-" in via


@row("wire:max-forwards")
def test_options_with_no_forwards_left_is_answered_here(world):
    response = world.call("OPTIONS", fields=["Max-Forwards: 0"])
    assert (response.status, response.body) == (200, b"")
    assert not world.upstream.requests


@row("wire:max-forwards")
def test_options_with_forwards_left_counts_down(world):
    assert world.call("OPTIONS", fields=["Max-Forwards: 3"]).status == 200
    assert world.upstream.last().fields.get("max-forwards") == "2"


def test_one_host_field_first(world):
    world.call()
    assert world.upstream.last().fields[0][0].lower() == "host"


def test_http_1_0_callers_get_1_1_upstream(world):
    assert world.call(version="HTTP/1.0").status == 200
    assert world.upstream.last().start == "GET / HTTP/1.1"
