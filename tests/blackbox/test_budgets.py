"""Budgets: so many calls and no more, whoever makes them, whenever, and whatever ends the process."""
import threading

from conftest import World, world_settings
from kit import row, until

SETTINGS = {"workers": 2}


def shown(world, made, what="spent"):
    return world.daemon.api("GET", f"/api/v1/authorizations/{made['id']}").json()[what]


def spend(world, made, calls, **options):
    """How many of so many calls were answered by the upstream."""
    codes = [world.call(token=made["token"], **options) for _ in range(calls)]
    assert all(one.status == 200 or one.code == "budget-exhausted" for one in codes)
    return sum(one.status == 200 for one in codes)


@row("budget-exhausted")
def test_a_spent_budget_is_403_and_nothing_goes_out(world):
    made = world.daemon.authorize(world.connection["id"], budget={"total": 3})
    assert spend(world, made, 3) == 3
    response = world.call(token=made["token"])
    assert (response.status, response.code) == (403, "budget-exhausted")
    assert response.fields.get("x-should-retry") == "false"
    assert len(world.upstream.requests) == 3
    assert shown(world, made) == {"total": 3}


def test_a_thousand_calls_at_a_time_on_two_workers_make_exactly_a_hundred(world):
    made = world.daemon.authorize(world.connection["id"], budget={"total": 100})
    statuses = []

    def call_on_one_connection():
        with world.client() as client:
            for _ in range(25):
                client.send(world.head(token=made["token"]))
                statuses.append(client.response("GET").status)

    threads = [threading.Thread(target=call_on_one_connection) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (statuses.count(200), statuses.count(403)) == (100, 900)
    assert len(world.upstream.requests) == 100
    assert shown(world, made) == {"total": 100}


def test_writes_are_counted_apart(world):
    made = world.daemon.authorize(world.connection["id"], budget={"writes": 2})
    assert spend(world, made, 3, method="POST", body=b"x") == 2
    assert spend(world, made, 2, method="PATCH", body=b"x") == 0
    assert spend(world, made, 5) == 5
    assert spend(world, made, 1, method="HEAD") == 1
    assert shown(world, made) == {"writes": 2}


def test_a_refused_call_costs_nothing_and_an_unreachable_upstream_costs_one(world):
    made = world.daemon.authorize(world.connection["id"], budget={"total": 2}, methods=["GET"])
    assert world.call("PUT", token=made["token"], body=b"x").code == "destination-not-allowed"
    assert world.call(token=made["token"], host="other.test").code == "destination-not-allowed"
    assert world.call(token=made["token"], connection="nobody").code == "connection-unavailable"
    assert shown(world, made) == {"total": 0}
    assert spend(world, made, 3) == 2


def test_what_it_makes_spends_its_budget_too(world):
    maker = world.daemon.authorize(world.connection["id"], budget={"total": 5},
                                   capabilities=["proxy:call", "authorizations:write"])

    def child(**members):
        body = {"capabilities": ["proxy:call"], "connections": [world.connection["id"]], **members}
        answer = world.daemon.api("POST", "/api/v1/authorizations", body, token=maker["token"])
        assert answer.status == 201, answer.body
        return answer.json()

    own, shared = child(budget={"total": 2}), child()
    assert spend(world, own, 3) == 2
    assert spend(world, shared, 2) == 2
    assert spend(world, maker, 2) == 1
    assert spend(world, child(), 1) == 0
    assert (shown(world, maker), shown(world, own), shown(world, shared)) == ({"total": 5}, {"total": 2}, None)
    wider = world.daemon.api("POST", "/api/v1/authorizations", {
        "capabilities": ["proxy:call"], "connections": [world.connection["id"]], "budget": {"total": 6}},
        token=maker["token"])
    assert (wider.status, wider.json()["errors"][0]["pointer"]) == (403, "/budget/total")


def test_revoking_the_maker_stops_the_child_at_once(world):
    maker = world.daemon.authorize(world.connection["id"], budget={"total": 50},
                                   capabilities=["proxy:call", "authorizations:write"])
    made = world.daemon.api("POST", "/api/v1/authorizations", {
        "capabilities": ["proxy:call"], "connections": [world.connection["id"]]}, token=maker["token"]).json()
    assert spend(world, made, 2) == 2
    assert world.daemon.api("POST", f"/api/v1/authorizations/{maker['id']}/revoke").status == 200
    assert world.call(token=made["token"]).code == "caller-unauthenticated"
    assert shown(world, maker) == {"total": 2} or shown(world, maker)["total"] >= 2


def test_a_restart_goes_on_at_the_call_and_a_kill_never_gives_more(make_daemon, make_upstream, ca):
    upstream = make_upstream()
    world = World(make_daemon(world_settings(upstream, ca)), upstream, ca)
    daemon = world.daemon
    made = daemon.authorize(world.connection["id"], budget={"total": 40})
    assert spend(world, made, 5) == 5
    assert daemon.stop() == 0
    daemon.start()
    assert shown(world, made) == {"total": 5}
    assert spend(world, made, 5) == 5
    daemon.kill()
    daemon.start()
    counted = shown(world, made)["total"]
    assert 10 <= counted <= 12  # at most the rest of one block: a sixteenth
    assert spend(world, made, 40) == 40 - counted
    assert daemon.stop() == 0
    verified = daemon.verb("vault", "verify")
    assert verified.returncode == 0, verified.stderr


@row("vault-unavailable")
def test_a_full_disk_is_503_once_the_block_is_used_up_and_nothing_goes_out(make_daemon, make_upstream, ca):
    upstream = make_upstream()
    world = World(make_daemon(world_settings(upstream, ca)), upstream, ca)
    daemon = world.daemon
    made = daemon.authorize(world.connection["id"], budget={"total": 100})
    assert spend(world, made, 1) == 1  # and five more are taken
    daemon.limit_files(1)
    statuses = [world.call(token=made["token"]).status for _ in range(8)]
    assert statuses == [200] * 5 + [503] * 3
    assert len(upstream.requests) == 6
    daemon.limit_files()
    until(lambda: daemon.api("GET", "/readyz", token=False).status == 200, what="readiness")
    left = 100 - shown(world, made)["total"]
    assert left <= 94
    assert spend(world, made, 100) == left
    assert daemon.stop() == 0
