"""Paths that an authorization is limited to, in both ways to call; and the run that it is for."""
import json

import pytest
from kit import row, until


def limited(world, *paths, **members):
    return world.daemon.token(world.connection["id"], paths=list(paths), **members)


@row("destination-not-allowed")
@pytest.mark.parametrize("path,allowed", [("/v1", True), ("/v1/", True), ("/v1/charges?x=/v2", True), ("/v10", False),
                                          ("/", False), ("/V1", False), ("/v2/things/1", True), ("/v2", False),
                                          ("/%76%31", False)])
def test_only_the_paths_below_its_prefixes_are_called(world, path, allowed):
    response = world.call(path=path, token=limited(world, "/v1", "/v2/things/"))
    if allowed:
        assert response.status == 200
        assert world.upstream.requests[-1].target == path
    else:
        assert (response.status, response.code) == (403, "destination-not-allowed")
        assert not world.upstream.requests


@row("malformed-request")
@pytest.mark.parametrize("path", ["/v1/../v2", "/v1/./x", "/v1/%2e%2e/v2", "/v1%2fx", "/v1/%5Cx", "/v1//x", "/v1/;x"])
def test_paths_that_could_be_read_in_two_ways_are_400(world, path):
    response = world.call(path=path, token=limited(world, "/v1"))
    assert (response.status, response.code) == (400, "malformed-request")
    assert not world.upstream.requests
    assert world.call(path=path).status == 200  # no rule of this token looks at the path


def test_no_prefix_is_no_path_and_the_root_is_every(world):
    assert world.call(token=limited(world)).code == "destination-not-allowed"
    assert world.call(path="/any/where", token=limited(world, "/")).status == 200


def test_a_base_url_call_is_judged_by_the_path_that_goes_out(world):
    own = world.daemon.connect(alias="based", app="http", config={"hosts": ["api.test"], "base_url": "https://api.test/api/v3"})
    token = world.daemon.token(own["id"], paths=["/api/v3/repos"])

    def call(path):
        return world.call(target=f"/c/based{path}", host=world.daemon.proxy, connection=None, token=token)

    assert call("/repos/x").status == 200
    assert world.upstream.requests[-1].target == "/api/v3/repos/x"
    assert call("/users").code == "destination-not-allowed"
    assert call("/repos/../users").code == "malformed-request"
    assert len(world.upstream.requests) == 1


def test_the_run_is_in_the_access_log_and_in_lists(world):
    made = world.daemon.authorize(world.connection["id"], run="nightly \"7\"")
    assert world.call(path="/of-a-run", token=made["token"]).status == 200
    assert world.call(path="/of-none").status == 200
    line = until(lambda: next((one for one in world.daemon.log() if one.get("path") == "/of-none"), None))
    assert "run" not in line
    line = next(one for one in world.daemon.log() if one.get("path") == "/of-a-run")
    assert line["run"] == "nightly \"7\""
    found = world.daemon.verb("tokens", "list", "--run", "nightly \"7\"", "-q")
    assert found.stdout.split() == [made["id"]]


def test_the_cli_makes_shows_and_introspects_a_limited_token(world):
    made = world.daemon.verb("tokens", "create", "--capabilities", "proxy:call", "--connections", "api", "--paths", "/v1",
                             "--budget-total", "10", "--budget-writes", "2", "--run", "r-9", "-q")
    assert made.returncode == 0, made.stderr
    token = made.stdout.strip()
    assert world.call(path="/v1/x", token=token).status == 200
    told = world.daemon.verb("tokens", "introspect", "--from-stdin", "-o", "json", input=token + "\n")
    assert told.returncode == 0, told.stderr
    assert token[16:] not in told.stdout
    answer = json.loads(told.stdout)
    assert answer["active"] is True and answer["paths"] == ["/v1"] and answer["run"] == "r-9"
    assert answer["budget"] == {"total": 10, "writes": 2} and answer["spent"] == {"total": 1, "writes": 0}
    listed = world.daemon.verb("tokens", "list", "--run", "r-9")
    assert "9, 2 writes" in listed.stdout
    card = world.daemon.verb("tokens", "show", answer["id"])
    assert "r-9" in card.stdout and "budget.total" in card.stdout
    assert world.daemon.verb("tokens", "revoke", answer["id"]).returncode == 0
    told = world.daemon.verb("tokens", "introspect", "--from-stdin", "-o", "json", input=token)
    assert json.loads(told.stdout) == {"active": False}


def test_exec_names_the_program_as_its_run(world):
    done = world.daemon.verb("exec", "-c", "api", "--", "sh", "-c", "curl -s http://api.test.postern.internal/by-exec")
    assert done.returncode == 0, done.stderr
    line = until(lambda: next((one for one in world.daemon.log() if one.get("path") == "/by-exec"), None))
    assert line["run"] == "sh"
