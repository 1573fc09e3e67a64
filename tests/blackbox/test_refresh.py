"""Tokens are renewed once, in time, for everybody, and without anybody noticing (DESIGN section 7).

What is relied on where the design leaves it open: `expiresAt` of a connection made by hand is a time as text, and the
lifetime counts from the creation; a connection shows `status`, `statusReason`, `statusText`, `expires`, `lastRefresh`; reasons are
`refresh_rejected` and `token_endpoint_unavailable`, of an auth config `client_rejected`. `connectUrl` is
<public_url>/connect?connection=<id>.
"""
import resource
import threading
import time

import pytest
from kit import row, until
from kit.oauth import utc
from kit.token_server import FAULTS
from kit.upstream import answer

WAITS = 10  # seconds that a request waits for a flight, by the design


def tokens_at(api):
    return [api.token_of(request) for request in api.requests]


def requests_under_way(oauth):
    return int(oauth.metric("postern_active_requests"))


# --- single flight ------------------------------------------------------------------------------------------------------
CROWD = 1000


@pytest.fixture
def crowd_world(make_oauth, make_nginx):
    """nginx takes the place of the API: Python does not make so many TLS handshakes in time. It takes `fresh` alone."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    nginx = make_nginx('location / { if ($http_authorization != "Bearer fresh") { return 401; } return 200 "yes"; }')

    def make(**settings):
        world = make_oauth(api=nginx.address, settings=settings)
        world.provider.next_access = ["fresh"]
        return world

    yield make
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def crowd(connection, count=CROWD):
    """So many requests on connections of their own, all of them sent."""
    return [connection.begin() for _ in range(count)]


def statuses(clients):
    """How often each status was answered; every answer is complete."""
    counts = {}
    for client in clients:
        with client:
            response = client.response()
            assert response.complete
            counts[response.status] = counts.get(response.status, 0) + 1
    return counts


@pytest.mark.parametrize("workers", [1, 2])
def test_a_thousand_requests_on_an_ended_token_cost_one_token_request(crowd_world, workers):
    world = crowd_world(workers=workers)
    gate = world.server.hold("received")
    connection = world.connect(lifetime=-5)
    clients = crowd(connection)
    gate.wait()
    until(lambda: requests_under_way(world) >= CROWD, what="all requests under way")
    gate.release()
    assert statuses(clients) == {200: CROWD}
    assert len(world.server.token_requests) == 1
    assert statuses(crowd(connection, 20)) == {200: 20}
    assert len(world.server.token_requests) == 1


def test_a_thousand_requests_across_kill_and_restart_cost_one_more(crowd_world):
    world = crowd_world()
    world.provider.rotation, world.provider.grace = "rotate", 60
    gate = world.server.hold("handled")
    connection = world.connect(lifetime=-5)
    clients = crowd(connection)
    gate.wait()
    world.daemon.kill()
    for client in clients:
        client.close()
    world.server.cut()
    again = world.server.hold("received")
    world.daemon.start()
    again.wait()
    clients = crowd(connection)
    until(lambda: requests_under_way(world) >= CROWD, what="all requests under way")
    again.release()
    assert statuses(clients) == {200: CROWD}
    assert len(world.server.token_requests) == 2


@row("refresh-in-progress")
def test_a_request_waits_ten_seconds_and_the_token_that_comes_later_is_not_lost(oauth):
    connection = oauth.connect(access=False)
    gate = oauth.server.hold("handled")
    began = time.monotonic()
    response = connection.call()
    assert (response.status, response.code) == (503, "refresh-in-progress")
    assert response.fields.get("retry-after") == "5"
    assert time.monotonic() - began >= WAITS - 0.5
    oauth.server.go_on()
    gate.release()
    until(lambda: connection.show()["lastRefresh"])
    assert connection.call().status == 200
    assert len(oauth.server.token_requests) == 1


def test_a_client_that_hangs_up_does_not_cost_the_token(oauth):
    oauth.provider.rotation, oauth.provider.reuse = "rotate", "revoke"
    gate, connection, client = oauth.held_renewal("handled")
    client.close()
    until(lambda: requests_under_way(oauth) == 0, what="the end of the request")
    gate.release()
    until(lambda: connection.show()["lastRefresh"])
    assert connection.call().status == 200
    assert len(oauth.server.token_requests) == 1
    assert len(oauth.api.requests) == 1, "nothing was sent for the one that had gone"


# --- when -----------------------------------------------------------------------------------------------------------
def test_a_first_request_obtains_the_token(oauth):
    connection = oauth.connect(access=False)
    assert connection.made["expires"] is None and connection.made["lastRefresh"] is None
    assert oauth.server.token_requests == []
    assert connection.call().json() == {"id": "acct-1"}
    assert oauth.server.token_requests == [{"grant_type": "refresh_token", "refresh_token": connection.refresh}]
    shown = connection.show()
    assert utc(3500) < shown["expires"] < utc(3601) and shown["lastRefresh"] <= utc(0)
    assert shown["generation"] == connection.made["generation"] + 1
    assert (shown["status"], shown["statusReason"]) == ("ACTIVE", None)


def test_a_fresh_token_is_used_as_it_is(oauth):
    connection = oauth.connect()
    for _ in range(3):
        assert connection.call().status == 200
    assert oauth.server.token_requests == []
    assert tokens_at(oauth.api) == [connection.access] * 3


def test_an_end_given_in_unix_seconds_is_the_same(oauth):
    connection = oauth.connect(expires=str(int(time.time()) + 3600))
    assert utc(3500) < connection.made["expires"] < utc(3601)
    assert connection.call().status == 200 and oauth.server.token_requests == []


def test_a_due_token_is_renewed_in_the_background_while_callers_use_the_old_one(oauth):
    connection = oauth.connect(lifetime=30)  # due 8 to 12 seconds before its end, forced 3 seconds before
    gate = oauth.server.hold("received")
    gate.wait(40)
    for _ in range(20):
        assert connection.call().status == 200
    assert set(tokens_at(oauth.api)) == {connection.access}, "nobody waited"
    gate.release()
    until(lambda: connection.call().status == 200 and tokens_at(oauth.api)[-1] != connection.access)
    assert connection.show()["lastRefresh"]
    assert len(oauth.server.token_requests) == 1


def test_a_rotated_refresh_token_is_the_one_that_is_sent_next(oauth):
    oauth.provider.rotation, oauth.provider.reuse = "rotate", "revoke"
    connection = oauth.connect(access=False)
    used = []
    for turn in range(4):
        assert connection.call().status == 200
        used.append(oauth.server.token_requests[turn]["refresh_token"])
        assert oauth.daemon.stop() == 0  # what the next process knows was written
        oauth.provider.spoil(tokens_at(oauth.api)[-1])
        oauth.daemon.start()
    assert len(set(used)) == 4 and used[0] == connection.refresh


@pytest.mark.parametrize("brought", ["", None])
def test_an_empty_refresh_token_in_an_answer_replaces_nothing(oauth, brought):
    oauth.provider.extra = {} if brought is None else {"refresh_token": brought}
    connection = oauth.connect(access=False)
    assert connection.call().status == 200
    oauth.provider.spoil(tokens_at(oauth.api)[-1])
    assert connection.call().status == 200
    assert [r["refresh_token"] for r in oauth.server.token_requests] == [connection.refresh] * 2


def test_a_refresh_under_way_at_sigterm_is_finished(oauth):
    oauth.provider.rotation, oauth.provider.reuse = "rotate", "revoke"
    connection = oauth.connect(access=False)
    gate = oauth.server.hold("handled")
    client = connection.begin()
    gate.wait()
    oauth.daemon.signal()
    client.close()
    gate.release()
    assert oauth.daemon.wait() == 0
    oauth.server.go_on()
    oauth.daemon.start()
    assert connection.call().status == 200
    assert len(oauth.server.token_requests) == 1


def test_a_refresh_under_way_for_a_deleted_connection_is_discarded(oauth):
    connection, other = oauth.connect(access=False), oauth.connect()
    gate = oauth.server.hold("handled")
    client = connection.begin()
    gate.wait()
    assert oauth.daemon.api("DELETE", f"/api/v1/connections/{connection.id}").status == 204
    gate.release()
    with client:
        assert client.response().status in (403, 503)
    assert oauth.daemon.api("GET", f"/api/v1/connections/{connection.id}").status == 404
    assert oauth.api.requests == []
    assert other.call().status == 200
    assert oauth.daemon.stop() == 0
    oauth.daemon.start()
    assert oauth.daemon.api("GET", f"/api/v1/connections/{connection.id}").status == 404
    assert oauth.server.answered == 1


def test_no_token_is_shown_anywhere(oauth):
    oauth.provider.rotation = "rotate"
    connection = oauth.connect(lifetime=-5)
    assert connection.call().status == 200
    oauth.server.fault = FAULTS["invalid_grant"]
    oauth.provider.spoil(tokens_at(oauth.api)[-1])
    connection.call()
    seen = b"".join([oauth.daemon.api("GET", path).body for path in (
        "/api/v1/connections", f"/api/v1/connections/{connection.id}", "/api/v1/auth_configs",
        f"/api/v1/auth_configs/{oauth.auth_config['id']}", "/metrics", "/api/v1/status")]) + oauth.daemon.log_file.read_bytes()
    secrets = [*oauth.provider.refresh_tokens, *oauth.provider.access_tokens, *tokens_at(oauth.api), "acme-client-secret"]
    assert [s for s in secrets if s.encode() in seen] == []


# --- a token endpoint that fails ------------------------------------------------------------------------------------------
@row("token-endpoint-unavailable")
def test_an_outage_costs_nothing_until_the_token_really_ends_and_heals_by_itself(oauth):
    lifetime = 8
    oauth.server.fault = FAULTS["500"]
    began = time.monotonic()  # before the daemon's own count begins
    connection = oauth.connect(lifetime=lifetime)
    early, late = [], []
    while time.monotonic() < began + lifetime + 1.5:
        sent = time.monotonic()
        response = connection.call()
        (early if time.monotonic() < began + lifetime - 0.1 else late).append((round(sent - began, 2), response))
    assert [(at, r.status, r.body) for at, r in early if r.status != 200] == []
    assert len(oauth.server.token_requests) >= 1, "it was tried while the token was good"
    response = late[-1][1]
    assert (response.status, response.code) == (503, "token-endpoint-unavailable")
    assert int(response.fields.get("retry-after")) >= 1
    assert response.fields.get("x-should-retry") == "true"
    shown = connection.show()
    assert (shown["status"], shown["statusReason"]) == ("ACTIVE", "token_endpoint_unavailable")
    assert shown["statusText"]
    oauth.server.fault = None
    until(lambda: connection.call().status == 200, 60, "recovery without a restart")
    assert (connection.show()["status"], connection.show()["statusReason"]) == ("ACTIVE", None)


TRANSIENT = sorted(set(FAULTS) - {"invalid_grant", "error in a 200", "invalid_client", "unauthorized_client", "hang", "429"})


@pytest.mark.parametrize("fault", TRANSIENT)
def test_no_kind_of_failure_costs_the_connection(oauth, fault):
    connection = oauth.connect(access=False)
    oauth.server.fault = FAULTS[fault]
    response = connection.call()
    assert (response.status, response.code) == (503, "token-endpoint-unavailable")
    assert connection.show()["status"] == "ACTIVE"
    assert oauth.api.requests == []
    oauth.server.fault = None
    until(lambda: connection.call().status == 200, 60, "recovery")


def test_retry_after_is_honoured_and_told(oauth):
    connection = oauth.connect(access=False)
    oauth.server.fault = FAULTS["429"]
    asked = time.monotonic()
    response = connection.call()
    assert (response.status, response.code) == (503, "token-endpoint-unavailable")
    assert 1 <= int(response.fields.get("retry-after")) <= 60
    oauth.server.fault = None
    until(lambda: connection.call().status == 200, 60, "recovery")
    assert len(oauth.server.token_requests) == 2
    assert time.monotonic() - asked >= 1.9


def test_a_refused_connection_to_the_token_endpoint_is_an_outage_too(oauth):
    connection = oauth.connect(access=False)
    oauth.server.upstream.stop()
    response = connection.call()
    assert (response.status, response.code) == (503, "token-endpoint-unavailable")
    assert connection.show()["status"] == "ACTIVE"


def test_a_redirect_of_the_token_endpoint_is_not_followed(make_oauth, make_upstream):
    elsewhere = make_upstream()
    oauth = make_oauth(hosts={"other.test:443": elsewhere.address})
    connection = oauth.connect(access=False)
    oauth.server.fault = FAULTS["redirect"]
    assert connection.call().status == 503
    assert elsewhere.accepted == 0


def test_an_outage_of_one_token_is_not_one_of_the_others(oauth):
    oauth.server.fault = FAULTS["500"]
    fresh, ended = oauth.connect(), oauth.connect(lifetime=-5)
    for _ in range(10):
        assert ended.call().status == 503
        assert fresh.call().status == 200
    assert len(oauth.server.token_requests) < 10, "it is asked after a pause only"


# --- refusals ---------------------------------------------------------------------------------------------------------
@row("connection-needs-reconnect")
@pytest.mark.parametrize("fault", ["invalid_grant", "error in a 200"])
def test_a_rejected_refresh_token_ends_the_connection_when_its_access_token_ends(oauth, fault):
    oauth.server.fault = FAULTS[fault]
    began = time.monotonic()
    connection = oauth.connect(lifetime=12)  # due 3.2 to 4.8 seconds before its end
    until(lambda: oauth.server.token_requests, 20)
    shown = connection.becomes(statusReason="refresh_rejected")
    if time.monotonic() < began + 11:
        assert shown["status"] == "ACTIVE"
        assert connection.call().status == 200
    shown = connection.becomes(status="EXPIRED", statusReason="refresh_rejected")
    assert time.monotonic() > began + 11.5, "not before the access token ended"
    assert shown["statusSince"] and shown["statusText"]
    response = connection.call()
    assert (response.status, response.code) == (403, "connection-needs-reconnect")
    assert response.fields.get("x-should-retry") == "false"
    assert response.json()["connectUrl"] == f"http://{oauth.daemon.admin}/connect?connection={connection.id}"
    assert len(oauth.server.token_requests) == 1, "what is dead is not asked for again"


def test_a_rejected_refresh_token_without_an_access_token_is_told_at_once(oauth):
    connection = oauth.connect(access=False)
    oauth.provider.forget(connection.refresh)
    assert connection.call().code == "connection-needs-reconnect"
    assert connection.call().code == "connection-needs-reconnect"
    assert len(oauth.server.token_requests) == 1
    assert connection.show()["status"] == "EXPIRED"
    listed = oauth.daemon.api("GET", "/api/v1/connections?status=EXPIRED").json()["data"]
    assert [c["id"] for c in listed] == [connection.id]
    assert oauth.metric('postern_connections{status="EXPIRED"}') == 1


def test_a_new_refresh_token_brings_it_back(oauth):
    connection = oauth.connect(access=False)
    oauth.provider.forget(connection.refresh)
    assert connection.call().status == 403
    refresh, _ = oauth.provider.grant(access=False)
    rotated = oauth.daemon.api("POST", f"/api/v1/connections/{connection.id}/rotate", {"value": {"refreshToken": refresh}})
    assert (rotated.status, rotated.json()["status"]) == (200, "ACTIVE"), rotated.body
    assert connection.call().status == 200


@row("connection-error")
@pytest.mark.parametrize("fault", ["invalid_client", "unauthorized_client"])
def test_a_rejected_client_is_the_auth_configs_error_and_not_the_connections(oauth, fault):
    oauth.server.fault = FAULTS[fault]
    fresh, ended = oauth.connect(), oauth.connect(lifetime=-5)
    response = ended.call()
    assert (response.status, response.code) == (403, "connection-error")
    path = f"/api/v1/auth_configs/{oauth.auth_config['id']}"
    shown = oauth.daemon.api("GET", path).json()
    assert (shown["status"], shown["statusReason"]) == ("ERROR", "client_rejected")
    assert shown["statusText"] and shown["statusSince"]
    assert ended.show()["status"] == fresh.show()["status"] == "ACTIVE"
    assert fresh.call().status == 200
    asked = len(oauth.server.token_requests)
    assert ended.call().code == "connection-error"
    assert len(oauth.server.token_requests) == asked
    oauth.server.fault = None
    fixed = oauth.daemon.api("PATCH", path, {"value": {"clientId": "acme-client", "clientSecret": "acme-client-secret"}})
    assert (fixed.status, fixed.json()["status"], fixed.json()["statusReason"]) == (200, "ACTIVE", None), fixed.body
    assert ended.call().status == 200


# --- the 401 rule -------------------------------------------------------------------------------------------------------
def spoiled(oauth):
    connection = oauth.connect()
    oauth.provider.spoil(connection.access)
    return connection


@pytest.mark.parametrize("challenge", ['Bearer error="invalid_token"', 'Bearer realm="x", error="invalid_token", scope="a"', None])
def test_a_refused_token_is_renewed_and_the_request_sent_once_more(oauth, challenge):
    connection = spoiled(oauth)
    oauth.api.refusal = answer("", "401 Unauthorized", *([f"WWW-Authenticate: {challenge}"] if challenge else []))
    response = connection.call()
    assert (response.status, response.json()) == (200, {"id": "acct-1"})
    first, second = tokens_at(oauth.api)
    assert first == connection.access and second != first
    assert len(oauth.server.token_requests) == 1
    assert connection.show()["status"] == "ACTIVE"


@pytest.mark.parametrize("size", [1, 64 * 1024])
def test_a_body_of_up_to_64_kib_is_sent_once_more(oauth, size):
    connection = spoiled(oauth)
    body = b"x" * size
    assert connection.call("POST", body=body).status == 200
    assert [(r.method, r.body == body) for r in oauth.api.requests] == [("POST", True)] * 2


def test_a_larger_body_is_not_sent_again(oauth):
    connection = spoiled(oauth)
    assert connection.call("POST", body=b"x" * (64 * 1024 + 1)).status == 401
    assert len(oauth.api.requests) == 1


@pytest.mark.parametrize("status, challenge", [
    ("401 Unauthorized", 'Bearer error="insufficient_scope", scope="admin"'), ("403 Forbidden", 'Bearer error="insufficient_scope"'),
    ("401 Unauthorized", 'Basic realm="other"'), ("403 Forbidden", 'Bearer error="invalid_token"')])
def test_what_does_not_mean_the_token_is_passed_through(oauth, status, challenge):
    connection = spoiled(oauth)
    oauth.api.refusal = answer("mine", status, f"WWW-Authenticate: {challenge}")
    response = connection.call()
    assert (response.status, response.body, response.fields.get("www-authenticate")) == (int(status[:3]), b"mine", challenge)
    assert oauth.server.token_requests == [] and len(oauth.api.requests) == 1
    assert "error=" not in (response.fields.get("proxy-status") or "")


def test_a_second_401_is_passed_through_and_callers_cannot_provoke_a_refresh_more_than_once_a_minute(oauth):
    connection = oauth.connect()
    oauth.api.before = lambda exchange, _: exchange.send(oauth.api.refusal) or True
    for _ in range(10):
        response = connection.call()
        assert (response.status, response.body) == (401, b"expired")
    assert len(oauth.server.token_requests) == 1
    assert len(oauth.api.requests) == 11
    assert connection.show()["status"] == "ACTIVE", "a proxied 401 changes no status"


def test_a_token_that_is_not_the_current_one_any_more_is_only_replaced(oauth):
    connection = oauth.connect()
    gone, go_on = threading.Event(), threading.Event()

    def slow(exchange, request):
        if request.target == "/slow" and oauth.api.token_of(request) == connection.access:
            gone.set()
            go_on.wait(20)
        return False

    oauth.api.before = slow
    client = connection.begin("GET", "/slow")
    assert gone.wait(20)
    oauth.provider.spoil(connection.access)
    assert connection.call().status == 200
    assert len(oauth.server.token_requests) == 1
    go_on.set()
    with client:
        assert client.response().status == 200
    assert len(oauth.server.token_requests) == 1


def test_many_refused_at_once_cost_one_token_request(oauth):
    connection = spoiled(oauth)
    gate = oauth.server.hold("received")
    clients = [connection.begin() for _ in range(30)]
    gate.wait()
    until(lambda: len(oauth.api.requests) == 30, what="30 refused requests")
    gate.release()
    assert statuses(clients) == {200: 30}
    assert len(oauth.server.token_requests) == 1


def test_forced_refreshes_that_fail_do_not_open_the_breaker_for_others(oauth):
    oauth.server.fault = FAULTS["500"]
    provoking = [spoiled(oauth) for _ in range(8)]
    other = oauth.connect(access=False)
    for connection in provoking:
        assert connection.call().status == 401
    oauth.server.fault = None
    assert other.call().status == 200


# --- the disk -----------------------------------------------------------------------------------------------------------
def test_no_write_no_refresh_and_requests_go_on_with_the_old_token(oauth):
    connection = oauth.connect(lifetime=9)
    began = time.monotonic()
    oauth.daemon.limit_files(1)
    while time.monotonic() < began + 8.5:
        assert connection.call().status == 200
    assert oauth.server.token_requests == []
    assert set(tokens_at(oauth.api)) == {connection.access}

    def over():
        response = connection.call()
        return response.status != 200 and response
    response = until(over, 10, "the end of the token")
    assert (response.status, response.code) == (503, "vault-unavailable")
    assert int(response.fields.get("retry-after")) >= 1
    assert oauth.server.token_requests == []
    oauth.daemon.limit_files()
    until(lambda: connection.call().status == 200, 60, "recovery")
    assert connection.show()["status"] == "ACTIVE"


def test_a_disk_that_is_full_when_the_answer_comes_does_not_cost_the_token(oauth):
    oauth.provider.rotation, oauth.provider.reuse = "rotate", "revoke"
    gate, connection, client = oauth.held_renewal("handled")
    oauth.daemon.limit_files(1)
    gate.release()
    with client:
        assert client.response().status == 200, "the token is kept in memory and served"
    assert connection.call().status == 200
    oauth.daemon.limit_files()
    until(lambda: connection.show()["lastRefresh"], 60, "the write that was tried again")
    oauth.server.go_on()
    assert oauth.daemon.stop() == 0
    oauth.daemon.start()
    assert connection.call().status == 200
    assert len(oauth.server.token_requests) == 1
