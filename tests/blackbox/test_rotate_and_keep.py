"""A credential is replaced under callers: the new one at once, the old one again while it is kept, and never after."""
import json

import pytest
from conftest import World, world_settings
from kit import until


@pytest.fixture
def world(make_daemon, make_upstream, ca):
    upstream = make_upstream()
    return World(make_daemon(world_settings(upstream, ca)), upstream, ca)


def rotate(world, body):
    return world.daemon.api("POST", "/api/v1/connections/api/rotate", body)


def sent(world):
    assert world.call().status == 200
    return world.upstream.last().fields.all("authorization")[0]


def test_callers_get_the_new_value_at_once_and_the_old_one_after_undo(world):
    before = sent(world)
    rotated = rotate(world, {"value": {"token": "second"}, "keepOld": "1h"})
    assert rotated.status == 200, rotated.body
    assert set(rotated.json()["previous"]) == {"until"}
    assert sent(world) == "Bearer second"
    assert rotate(world, {"undo": True}).json()["previous"] is None
    assert sent(world) == before
    assert rotate(world, {"undo": True}).code == "nothing-kept"


def test_the_old_value_survives_a_restart_and_is_erased_when_its_time_is_over(world):
    daemon = world.daemon
    assert rotate(world, {"value": {"token": "second"}, "keepOld": "2s"}).status == 200
    assert rotate(world, {"value": {"token": "third"}, "keepOld": "1d"}).json()["previous"]
    assert daemon.stop() == 0
    daemon.start()
    assert rotate(world, {"undo": True}).status == 200
    assert sent(world) == "Bearer second"
    assert rotate(world, {"value": {"token": "fourth"}, "keepOld": "1s"}).json()["previous"]
    until(lambda: daemon.api("GET", "/api/v1/connections/api").json()["previous"] is None, 30, "the sweep")
    verified = daemon.verb("vault", "verify", "-o", "json")
    assert verified.returncode == 0, verified.stderr
    assert "previous" not in json.loads(verified.stdout).get("sound", {})
    assert sent(world) == "Bearer fourth"


def test_the_command_line_rotates_and_brings_back(world):
    daemon, before = world.daemon, sent(world)
    done = daemon.verb("connections", "rotate", "api", "--from-stdin", "--no-test", "--keep-old", "1h", input="second\n")
    assert done.returncode == 0, done.stderr
    assert "second" not in done.stdout + done.stderr
    assert sent(world) == "Bearer second"
    assert daemon.verb("connections", "rotate", "api", "--undo").returncode == 0
    assert sent(world) == before
    again = daemon.verb("connections", "rotate", "api", "--undo")
    assert again.returncode == 1 and "No previous value" in again.stderr


def test_a_repeated_call_makes_nothing_after_a_kill(world):
    daemon = world.daemon
    body = {"app": "stripe", "type": "API_KEY", "alias": "once", "value": {"apiKey": "sk_test_1"}}
    first = daemon.api("POST", "/api/v1/connections", body, headers={"Idempotency-Key": "once"})
    assert first.status == 201, first.body
    daemon.process.kill()
    daemon.process.wait()
    daemon.start()
    again = daemon.api("POST", "/api/v1/connections", body, headers={"Idempotency-Key": "once"})
    assert (again.status, again.json()["id"]) == (201, first.json()["id"])
    assert again.fields["Idempotency-Replayed"] == "true"
