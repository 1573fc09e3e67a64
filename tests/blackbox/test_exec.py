"""postern exec: a command with everything set up, and nothing left behind."""
import json
import os
import pty
import signal
import subprocess

import pytest
from conftest import World, world_settings
from kit import SECRET, until
from kit.daemon import binary, clean_environment, merged


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


def test_the_environment_of_the_command(world, run):
    result = run("env", environment={"POSTERN_TOKEN_FILE_X": "gone", "POSTERN__LOG__LEVEL": "info", "KEPT": "yes",
                                     "https_proxy": "http://127.0.0.1:1"})
    env = dict(line.split("=", 1) for line in result.stdout.splitlines() if "=" in line)
    assert env["KEPT"] == "yes"
    assert not [name for name in env if name.startswith("POSTERN_")]
    assert env["http_proxy"] == env["HTTP_PROXY"] and "pst_" in env["http_proxy"]
    assert not {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"} & set(env), "no tunnel leads anywhere here"
    assert env["no_proxy"] == env["NO_PROXY"] == "localhost,127.0.0.1,::1,[::1]"
    assert env["NODE_USE_ENV_PROXY"] == "1"
    assert "-Dhttp.proxyPort=" + world.daemon.proxy.split(":")[1] in env["JAVA_TOOL_OPTIONS"]
    assert "pst_" not in env["JAVA_TOOL_OPTIONS"], "a JVM prints it"
    assert SECRET not in result.stdout


def test_what_the_parent_said_of_proxies_does_not_hold(run):
    result = run("sh", "-c", "echo $no_proxy; echo $JAVA_TOOL_OPTIONS",
                 environment={"no_proxy": "api.test", "NO_PROXY": "*", "JAVA_TOOL_OPTIONS": "-Xmx9m"})
    no_proxy, java = result.stdout.splitlines()
    assert "api.test" not in no_proxy and "*" not in no_proxy
    assert java.startswith("-Xmx9m -Dhttp.proxyHost=127.0.0.1 ")


def test_what_would_lead_npm_or_a_jvm_around_it_is_gone(run):
    result = run("env", environment={"npm_config_https_proxy": "http://127.0.0.1:1", "NPM_CONFIG_PROXY": "http://127.0.0.1:1",
                                     "_JAVA_OPTIONS": "-Dhttp.proxyHost=elsewhere", "JDK_JAVA_OPTIONS": "-Xmx9m",
                                     "npm_config_cache": "/tmp/c"})
    names = {line.split("=", 1)[0] for line in result.stdout.splitlines()}
    assert not names & {"npm_config_https_proxy", "NPM_CONFIG_PROXY", "_JAVA_OPTIONS"}
    assert {"JDK_JAVA_OPTIONS", "npm_config_cache"} <= names


def test_a_folder_that_would_add_a_line_to_dockers_file_is_refused(world):
    result = world.daemon.verb("env", "-c", "api", "--format", "docker", "--trust-folder", "/a\nLD_PRELOAD=/b")
    assert result.returncode == 2 and "--trust-folder" in result.stderr and not result.stdout


def test_it_says_that_the_same_user_is_no_boundary(world, run):
    assert "no boundary" in run("true").stderr
    assert world.daemon.verb("exec", "-q", "--", "true").stderr == ""


def test_its_token_is_revoked_at_the_end(world, run):
    result = run("sh", "-c", "echo $http_proxy")
    token = result.stdout.strip().split(":")[2].split("@")[0]
    assert token.startswith("pst_")
    assert world.call(token=token).status == 407


def test_a_reader_of_its_messages_who_has_gone_ends_neither_it_nor_its_revocation(world, tmp_path):
    reading, writing = os.pipe()
    os.close(reading)
    command = [binary(), "--config", str(world.daemon.config), "exec", "-c", "api", "--", "sh", "-c", f"echo $http_proxy >{tmp_path}/ran"]
    ended = subprocess.run(command, env=clean_environment(world.daemon.home), stdout=subprocess.DEVNULL, stderr=writing, timeout=30)
    os.close(writing)
    assert ended.returncode == 0
    token = (tmp_path / "ran").read_text().split(":")[2].split("@")[0]
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


def test_env_is_the_environment_of_exec_in_a_shell(world, run):
    names = "http_proxy HTTP_PROXY https_proxy HTTPS_PROXY no_proxy NO_PROXY NODE_USE_ENV_PROXY JAVA_TOOL_OPTIONS".split()
    show = "; ".join(f'echo "{name}=${{{name}-unset}}"' for name in names)
    printed = world.daemon.verb("env", "-c", "api", "--format", "sh")
    assert printed.returncode == 0, printed.stderr
    sourced = subprocess.run(["sh", "-c", f'eval "$1"; {show}', "sh", printed.stdout], capture_output=True, text=True, check=True,
                             env={"PATH": os.environ["PATH"], "https_proxy": "http://other", "no_proxy": "api.test"})
    executed = run("sh", "-c", show)

    def without_tokens(text):
        return [line.split("pst_")[0] for line in text.splitlines()]

    assert without_tokens(sourced.stdout) == without_tokens(executed.stdout)
    assert SECRET not in json.dumps(printed.stdout)


@pytest.mark.parametrize("form", ["docker", "k8s"])
def test_env_for_containers_has_the_same_variables(world, form):
    def names(text):
        return [line.split("name: ")[-1].split("=")[0].removeprefix("export ") for line in text.splitlines()
                if "value:" not in line and not line.startswith("unset")]

    shell = world.daemon.verb("env", "-c", "api")
    assert names(world.daemon.verb("env", "-c", "api", "--format", form).stdout) == names(shell.stdout)


def test_https_goes_to_the_proxy_where_a_tunnel_leads_somewhere(make_daemon, make_upstream, ca):
    upstream = make_upstream()
    world = World(make_daemon(merged(world_settings(upstream, ca), {"egress": {"allow": ["other.test:443"]}})), upstream, ca)
    result = world.daemon.verb("exec", "-c", "api", "--", "sh", "-c", "echo $https_proxy $HTTPS_PROXY $all_proxy $ALL_PROXY")
    assert len(set(result.stdout.split())) == 1 and len(result.stdout.split()) == 4, result.stdout
    assert "-Dhttps.proxyHost=127.0.0.1" in world.daemon.verb("env", "-c", "api").stdout


CHILD = """
import os, signal, sys
def say(text): os.write(1, (text + chr(10)).encode())
counts = {}
def note(number, _):
    counts[number] = counts.get(number, 0) + 1
    say(f"{signal.Signals(number).name}{counts[number]}")
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2):
    signal.signal(number, note)
say("ready")
while sys.stdin.readline() != "end" + chr(10):
    pass
sys.exit(7)
"""


class Terminal:
    """exec in the foreground of a terminal of its own, with CHILD under it."""

    def __init__(self, world):
        command = [binary(), "--config", str(world.daemon.config), "exec", "-q", "-c", "api", "--", "/usr/bin/python3", "-c", CHILD]
        self.pid, self.end = pty.fork()
        if self.pid == 0:
            os.execve(command[0], command, clean_environment(world.daemon.home))
        os.set_blocking(self.end, False)
        self.said = ""
        self.wait_for("ready")

    def wait_for(self, text):
        def seen():
            try:
                self.said += os.read(self.end, 65536).decode()
            except BlockingIOError:
                pass
            return text in self.said
        until(seen, 30, f"{text} of the command")

    def type(self, text):
        os.write(self.end, text)

    def code(self):
        self.type(b"end\n")
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self.end)
        return status


def test_control_c_reaches_the_command_once(world):
    terminal = Terminal(world)
    terminal.type(b"\x03")
    terminal.wait_for("SIGINT1")
    # exec takes what is pending in the order of the numbers: a SIGINT that it passed on would come before this.
    os.kill(terminal.pid, signal.SIGUSR1)
    terminal.wait_for("SIGUSR11")
    assert "SIGINT2" not in terminal.said
    assert terminal.code() == 7


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"])
def test_a_signal_for_exec_is_the_commands(world, name):
    terminal = Terminal(world)
    os.kill(terminal.pid, getattr(signal, name))
    terminal.wait_for(name + "1")
    assert terminal.code() == 7


def test_what_was_stopped_goes_on(world):
    terminal = Terminal(world)
    os.killpg(terminal.pid, signal.SIGSTOP)
    assert os.WIFSTOPPED(os.waitpid(terminal.pid, os.WUNTRACED)[1])
    os.killpg(terminal.pid, signal.SIGCONT)
    os.kill(terminal.pid, signal.SIGTERM)
    terminal.wait_for("SIGTERM1")
    assert terminal.code() == 7
