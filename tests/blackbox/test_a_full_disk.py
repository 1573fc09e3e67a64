"""A disk that takes no more: calls go on, changes are refused with 503, and all is well again once there is room."""
import concurrent.futures
import shutil

from conftest import World, world_settings
from kit import until


def test_calls_go_on_and_changes_are_503_until_there_is_room(make_daemon, make_upstream, ca):
    upstream = make_upstream()
    world = World(make_daemon(world_settings(upstream, ca)), upstream, ca)
    daemon = world.daemon
    assert world.call().status == 200
    daemon.limit_files(1)
    for _ in range(2):  # the one that meets the fault, and one that finds the vault read-only
        answer = daemon.api("POST", "/api/v1/connections", {
            "name": "Late", "app": "http", "type": "BEARER", "value": {"token": "x"}, "config": {"hosts": ["api.test"]}})
        assert (answer.status, answer.code) == (503, "vault-unavailable")
        assert int(answer.fields["Retry-After"]) > 0
    # So do many at a time, and none of them waits for ever.
    with concurrent.futures.ThreadPoolExecutor(32) as clients:
        late = list(clients.map(lambda i: daemon.api("POST", "/api/v1/connections", {
            "app": "http", "type": "BEARER", "alias": f"late-{i}", "value": {"token": "x"},
            "config": {"hosts": ["api.test"]}}, headers={"Idempotency-Key": f"late-{i}"}), range(64)))
    assert {(one.status, one.code) for one in late} == {(503, "vault-unavailable")}
    assert world.call().status == 200
    assert daemon.api("GET", "/api/v1/connections").status == 200
    ready = daemon.api("GET", "/readyz", token=False)
    assert (ready.status, ready.json()["notReady"]) == (503, ["vault: READ_ONLY"])
    status = daemon.api("GET", "/api/v1/status").json()["vault"]
    assert status["state"] == "READ_ONLY" and status["trouble"]

    daemon.limit_files()
    until(lambda: daemon.api("GET", "/readyz", token=False).status == 200, what="readiness")
    assert daemon.api("GET", "/api/v1/status").json()["vault"]["trouble"] is None
    again = daemon.api("POST", "/api/v1/connections", {
        "app": "http", "type": "BEARER", "alias": "late-0", "value": {"token": "x"}, "config": {"hosts": ["api.test"]}},
        headers={"Idempotency-Key": "late-0"})
    assert again.status == 201 and "Idempotency-Replayed" not in again.fields
    daemon.connect(alias="late")
    assert world.call().status == 200


def test_a_copied_state_directory_is_marked_until_it_is_accepted(make_daemon):
    daemon = make_daemon().init().start()
    assert daemon.api("GET", "/api/v1/status").json()["vault"]["provenance"]["kind"] == "original"
    assert daemon.stop() == 0
    copy = daemon.state.with_name("copy")
    shutil.copytree(daemon.state, copy, ignore=lambda _, names: [n for n in names if n.endswith(".sock")])
    shutil.rmtree(daemon.state)
    copy.rename(daemon.state)
    for flags, kind in (((), "copied"), ((), "copied"), (("--accept-copy",), "original"), ((), "original")):
        daemon.start(*flags)
        assert daemon.api("GET", "/api/v1/status").json()["vault"]["provenance"]["kind"] == kind
        assert (daemon.event("vault_not_original") is not None) == (kind == "copied")
        assert daemon.stop() == 0
