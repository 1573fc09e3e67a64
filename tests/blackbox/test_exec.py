"""postern exec: a command with everything set up, and nothing left behind."""
import json

import pytest
from kit import SECRET


@pytest.fixture
def run(world):
    def exec_(*command, connection="api", environment=None):
        named = ["-c", connection] if connection else []
        return world.daemon.verb("exec", *named, "--", *command, environment=environment)

    return exec_


def test_the_command_reaches_the_service_with_the_secret(world, run):
    result = run("curl", "-sS", "http://api.test.postern.internal/v1")
    assert (result.returncode, result.stdout) == (0, "hello"), result.stderr
    assert world.upstream.last().fields.get("authorization") == f"Bearer {SECRET}"


def test_the_exit_code_is_the_commands(run):
    assert run("sh", "-c", "exit 7").returncode == 7
    assert run("sh", "-c", "kill -9 $$").returncode in (137, 9)
    assert run("/nonexistent").returncode in (1, 126, 127)


def test_standard_streams_are_the_commands(run, world):
    result = world.daemon.verb("exec", "-c", "api", "--", "cat", input="through")
    assert result.stdout == "through"


def test_the_environment_of_the_command(run):
    result = run("env", environment={"POSTERN_TOKEN_FILE_X": "gone", "POSTERN__LOG__LEVEL": "info", "KEPT": "yes",
                                     "https_proxy": "http://127.0.0.1:1"})
    env = dict(line.split("=", 1) for line in result.stdout.splitlines() if "=" in line)
    assert env["KEPT"] == "yes"
    assert not [name for name in env if name.startswith("POSTERN_")]
    assert env["http_proxy"] == env["HTTP_PROXY"] and "pst_" in env["http_proxy"]
    assert SECRET not in result.stdout


def test_its_token_is_revoked_at_the_end(world, run):
    result = run("sh", "-c", "echo $http_proxy")
    token = result.stdout.strip().split(":")[2].split("@")[0]
    assert token.startswith("pst_")
    assert world.call(token=token).status == 407


def test_only_the_named_connection_may_be_used(world, run):
    world.daemon.connect(alias="not-named")
    result = run("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "-H", "X-Connection-Id: not-named",
                 "http://api.test/")
    assert result.stdout == "403"


def test_an_unknown_connection_runs_nothing(run, tmp_path):
    mark = tmp_path / "ran"
    assert run("touch", str(mark), connection="nobody").returncode == 3
    assert not mark.exists()


def test_python_in_exec_needs_no_line_of_code(run):
    code = "import urllib.request,json; print(urllib.request.urlopen('http://api.test/').status)"
    assert run("/usr/bin/python3", "-c", code).stdout.strip() == "200"


def test_env_prints_what_a_shell_can_source(world):
    result = world.daemon.verb("env", "-c", "api", "--format", "sh")
    assert result.returncode == 0, result.stderr
    done = world.daemon.cli("version")  # the daemon is untouched by it
    assert done.returncode == 0
    assert "http_proxy=" in result.stdout
    assert SECRET not in json.dumps(result.stdout)
