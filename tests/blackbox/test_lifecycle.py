"""init, run, status and the exit codes."""
import hashlib
import json
import re
import signal
import socket

import pytest
from conftest import world_settings
from kit import until


def contents(folder):
    """Every file below a folder with a digest of its bytes."""
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in sorted(folder.rglob("*")) if p.is_file()}


def run_and_wait(daemon, *flags, **options):
    """`run` where it is expected to end by itself."""
    return daemon.verb("run", *flags, timeout=20, **options)


def test_init_makes_a_private_state_directory_and_a_key_outside_it(make_daemon):
    daemon = make_daemon().init()
    assert daemon.state.stat().st_mode & 0o777 == 0o700
    assert daemon.key.stat().st_mode & 0o777 == 0o600
    assert daemon.key.parent.stat().st_mode & 0o777 == 0o700
    assert (daemon.state / "vault").is_dir()


def test_init_keeps_a_config_that_exists(make_daemon):
    daemon = make_daemon()
    before = daemon.config.read_text()
    daemon.init()
    assert daemon.config.read_text() == before


def test_init_writes_a_commented_config_where_there_is_none(make_daemon):
    daemon = make_daemon()
    daemon.config.unlink()
    result = daemon.cli("init", environment={"POSTERN__VAULT__KEY__FILE": str(daemon.key)})
    assert result.returncode == 0, result.stderr
    assert "#" in daemon.config.read_text()
    assert daemon.verb("config", "validate").returncode == 0


def test_a_second_init_changes_nothing_and_says_so(make_daemon):
    daemon = make_daemon().init()
    before = contents(daemon.folder)
    again = daemon.verb("init")
    assert again.returncode != 0
    assert "pst_" not in again.stdout
    assert contents(daemon.folder) == before


def test_a_key_inside_the_state_directory_is_refused(make_daemon):
    daemon = make_daemon()
    result = daemon.verb("init", environment={"POSTERN__VAULT__KEY__FILE": str(daemon.state / "master.key")})
    assert result.returncode == 78, result.stderr
    assert not (daemon.state / "master.key").exists()


def test_run_without_init_says_what_to_do(make_daemon):
    result = run_and_wait(make_daemon())
    assert result.returncode in (1, 78)
    assert "postern init" in result.stderr


def test_sigterm_and_sigint_end_it_with_zero(make_daemon):
    daemon = make_daemon().init()
    for number in (signal.SIGTERM, signal.SIGINT):
        daemon.start()
        daemon.signal(number)
        assert daemon.wait() == 0


def test_connections_and_tokens_survive_a_restart(make_daemon, make_upstream, ca):
    from kit.http1 import Client, basic

    upstream = make_upstream()
    daemon = make_daemon(world_settings(upstream, ca)).init().start()
    daemon.connect(alias="api")
    token = daemon.token(daemon.api("GET", "/api/v1/connections/api").json()["id"])
    assert daemon.stop() == 0
    daemon.start()
    with Client(daemon.proxy) as client:
        client.send(f"GET http://api.test/ HTTP/1.1\r\nHost: api.test\r\nX-Connection-Id: api\r\n"
                    f"Proxy-Authorization: {basic('-', token)}\r\n\r\n")
        assert client.response().body == b"hello"
    assert upstream.last().fields.get("authorization") == "Bearer upstream-secret"


def test_it_survives_being_killed(make_daemon):
    daemon = make_daemon().init().start()
    made = daemon.connect(alias="kept")
    daemon.signal(signal.SIGKILL)
    daemon.wait()
    daemon.start()
    assert daemon.api("GET", "/api/v1/connections/kept").json()["id"] == made["id"]
    assert daemon.stop() == 0


def test_a_wrong_key_exits_78_and_leaves_the_directory_unchanged(make_daemon):
    other, daemon = make_daemon().init(), make_daemon().init()
    daemon.key.write_bytes(other.key.read_bytes())
    before = contents(daemon.state)
    result = run_and_wait(daemon)
    assert result.returncode == 78, result.stderr
    assert "key" in result.stderr
    assert contents(daemon.state) == before


def test_a_missing_key_exits_78_and_leaves_the_directory_unchanged(make_daemon):
    daemon = make_daemon().init()
    daemon.key.unlink()
    before = contents(daemon.state)
    result = run_and_wait(daemon)
    assert result.returncode == 78, result.stderr
    assert str(daemon.key) in result.stderr
    assert contents(daemon.state) == before
    assert not daemon.key.exists(), "no new key is made for an old vault"


def test_a_second_daemon_on_the_same_directory_exits_75(make_daemon):
    daemon = make_daemon().init().start()
    result = run_and_wait(daemon)
    assert result.returncode == 75, result.stderr
    assert daemon.running()


def test_a_port_in_use_is_named(make_daemon):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = "127.0.0.1:%d" % taken.getsockname()[1]
        daemon = make_daemon({"listen": {"proxy": address}}).init()
        result = run_and_wait(daemon)
    assert result.returncode == 1, result.stderr
    assert address in result.stderr


@pytest.mark.parametrize("text, place, hint", [
    ("lisen: {proxy: '127.0.0.1:0'}\n", "1:1", "listen"),
    ("listen:\n  proxy: '127.0.0.1:0'\n  amdin: '127.0.0.1:0'\n", "3:3", "admin"),
    ("shutdown: {drain: soon}\n", "1:19", ""),
    ("workers: 1\nlisten: [\n", "", ""),
])
def test_a_mistake_in_the_config_is_shown_with_file_line_and_column(make_daemon, text, place, hint):
    daemon = make_daemon(text=text)
    for verb in (("run",), ("config", "validate")):
        result = daemon.verb(*verb, timeout=20)
        assert result.returncode == 78, result.stderr
        assert f"postern.yaml:{place}" in result.stderr
        assert hint in result.stderr


def test_the_environment_overrides_the_file(make_daemon):
    daemon = make_daemon({"listen": {"proxy": "127.0.0.1:1"}}).init()
    daemon.start(environment={"POSTERN__LISTEN__PROXY": "127.0.0.1:0"})
    assert daemon.proxy != "127.0.0.1:1"
    shown = daemon.verb("config", "show", environment={"POSTERN__LISTEN__PROXY": "127.0.0.1:7"})
    assert shown.returncode == 0 and "127.0.0.1:7" in shown.stdout


def test_an_unknown_variable_of_ours_is_refused(make_daemon):
    result = make_daemon().verb("config", "validate", environment={"POSTERN__LISEN__PROXY": "x"})
    assert result.returncode == 78
    assert "POSTERN__LISEN__PROXY" in result.stderr


def test_a_configuration_that_does_not_exist_is_refused(make_daemon):
    daemon = make_daemon()
    assert daemon.cli("config", "validate", "--config", "missing.yaml").returncode == 78


def test_a_plain_listener_off_loopback_needs_to_be_asked_for(make_daemon):
    daemon = make_daemon({"listen": {"proxy": "0.0.0.0:0"}})
    for verb in ("init", "run"):
        result = daemon.verb(verb, timeout=20)
        assert result.returncode == 78
        assert "insecure_listen" in result.stderr


def test_status_tells_addresses_and_the_vault(make_daemon):
    daemon = make_daemon().init().start()
    result = daemon.verb("status", "-o", "json")
    assert result.returncode == 0, result.stderr
    json.loads(result.stdout)
    assert daemon.proxy in result.stdout
    assert re.search(r"postern-[A-Za-z0-9_-]+", result.stdout), "its pseudonym in Via"


def test_exit_codes_of_the_verbs(make_daemon, tmp_path):
    daemon = make_daemon().init()
    assert daemon.verb("status").returncode == 5, "unreachable before it runs"
    daemon.start()
    assert daemon.cli("version").returncode == 0
    assert daemon.verb("connections", "list", "--no-such-flag").returncode == 2
    assert daemon.cli("no-such-verb").returncode == 2
    assert daemon.verb("connections", "show", "nobody").returncode == 3
    weak = tmp_path / "token"
    weak.write_text(daemon.token())
    weak.chmod(0o600)
    remote = ("--server", f"http://{daemon.admin}")
    result = daemon.verb("connections", "list", *remote, environment={"POSTERN_TOKEN_FILE": str(weak)})
    assert result.returncode == 4, result.stderr


def test_it_leaves_no_core_and_cannot_be_dumped(make_daemon):
    daemon = make_daemon().init().start()
    limits = open(f"/proc/{daemon.process.pid}/limits").read()
    assert re.search(r"Max core file size\s+0\s+0", limits)


def test_no_other_process_can_bind_beside_it(make_daemon):
    daemon = make_daemon().init().start()
    host, port = daemon.proxy.split(":")
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError):
            other.bind((host, int(port)))
            other.listen()


def test_the_ready_line_comes_when_both_ports_serve(make_daemon):
    daemon = make_daemon().init().start()
    for address in (daemon.proxy, daemon.admin):
        host, port = address.split(":")
        socket.create_connection((host, int(port)), timeout=5).close()
    until(lambda: daemon.api("GET", "/readyz", token=False).status == 200, what="readiness")
