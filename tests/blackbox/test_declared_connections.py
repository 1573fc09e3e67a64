"""Connections declared in files, for pods without a disk."""
import pytest
from conftest import merged, world_settings
from kit import until
from kit.http1 import Client


@pytest.fixture(scope="module")
def pod(make_daemon, make_upstream, ca, tmp_path_factory):
    secrets = tmp_path_factory.mktemp("secrets")
    (secrets / "billing").write_text("first-secret\n")
    upstream = make_upstream()
    settings = {
        **world_settings(upstream, ca), "vault": {"store": "memory", "key": None}, "callers": {"mode": "open"},
        "connections": [{"alias": "billing", "app": "http", "type": "BEARER",
                         "config": {"hosts": ["api.test"]}, "value": {"token": {"file": str(secrets / "billing")}}}]}
    daemon = make_daemon(settings)
    daemon.start()
    return daemon, upstream, secrets / "billing"


def call(daemon):
    with Client(daemon.proxy) as client:
        client.send("GET http://api.test/ HTTP/1.1\r\nHost: api.test\r\nX-Connection-Id: billing\r\n\r\n")
        return client.response()


def seen(pod):
    daemon, upstream, _ = pod
    assert call(daemon).status == 200
    return upstream.requests[-1].fields.get("authorization")


def test_it_runs_without_init_and_the_line_end_of_the_file_is_no_part_of_the_secret(pod):
    assert seen(pod) == "Bearer first-secret"


def test_a_changed_file_is_used_without_a_restart(pod):
    pod[2].write_text("second-secret")
    until(lambda: seen(pod) == "Bearer second-secret", what="the new secret")


def test_a_file_replaced_by_a_rename_is_used_too(pod):
    fresh = pod[2].with_suffix(".new")
    fresh.write_text("third-secret")
    fresh.rename(pod[2])
    until(lambda: seen(pod) == "Bearer third-secret", what="the new secret")


def test_while_a_file_is_missing_the_last_secret_stays_in_use(pod):
    pod[2].unlink()
    assert seen(pod) == "Bearer third-secret"
    pod[2].write_text("fourth-secret")
    until(lambda: seen(pod) == "Bearer fourth-secret", what="the new secret")


def test_a_secret_file_missing_at_the_start_is_a_configuration_error(make_daemon):
    daemon = make_daemon({"vault": {"store": "memory", "key": None}, "connections": [
        {"alias": "x", "app": "http", "type": "BEARER", "config": {"hosts": ["api.test"]},
         "value": {"token": {"file": "/nonexistent/secret"}}}]})
    result = daemon.verb("run", timeout=20)
    assert result.returncode == 78
    assert "/nonexistent/secret" in result.stderr


def test_they_are_listed_beside_the_stored_ones_and_are_read_only(make_daemon, make_upstream, ca, tmp_path):
    (tmp_path / "secret").write_text("s")
    settings = merged(world_settings(make_upstream(), ca), {"connections": [
        {"alias": "billing", "app": "http", "type": "BEARER", "config": {"hosts": ["api.test"]},
         "value": {"token": {"file": str(tmp_path / "secret")}}}]})
    daemon = make_daemon(settings).init().start()
    daemon.connect(alias="stored")
    listed = daemon.api("GET", "/api/v1/connections?limit=100").json()["data"]
    assert {c["alias"] for c in listed} == {"billing", "stored"}
    declared = next(c for c in listed if c["alias"] == "billing")
    assert daemon.api("DELETE", f"/api/v1/connections/{declared['id']}").status in (403, 409)
