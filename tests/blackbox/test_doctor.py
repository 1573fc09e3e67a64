"""doctor says what stands in the way, of a daemon that runs and of one that does not start."""
import json
import os
import socket

import pytest
from conftest import world_settings


@pytest.fixture
def daemon(make_daemon, make_upstream, ca):
    return make_daemon(world_settings(make_upstream(), ca)).init()


def examine(daemon, environment=None):
    result = daemon.verb("doctor", "-o", "json", environment=environment, timeout=120)
    assert result.returncode in (0, 1), result.stderr
    checks = json.loads(result.stdout)
    assert checks["healthy"] == (result.returncode == 0)
    return checks["checks"]


def of(checks, name, state=None):
    found = [c for c in checks if c["check"] == name and (state is None or c["state"] == state)]
    assert found, f"no {state or ''} line about {name}: {checks}"
    return found[0]


def test_a_daemon_that_runs_is_well_and_its_ports_are_its_own(daemon):
    daemon.start()
    result = daemon.verb("doctor", timeout=120)
    assert result.returncode == 0, result.stdout
    lines = result.stdout.splitlines()
    assert all(line.split()[0] in ("ok", "warn") for line in lines)
    assert all("; fix: " in line for line in lines if line.startswith("warn"))
    checks = examine(daemon)
    assert of(checks, "daemon")["state"] == "ok"
    assert of(checks, "vault")["state"] == "ok" and "READY" in of(checks, "vault")["detail"]


def test_fixed_ports_are_recognised_as_the_daemons(make_daemon):
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        ports = [s.getsockname()[1] for s in (one, two)]
    daemon = make_daemon({"listen": {"proxy": f"127.0.0.1:{ports[0]}", "admin": f"127.0.0.1:{ports[1]}"}}).init()
    assert "is free" in of(examine(daemon), "ports")["detail"]
    daemon.start()
    assert all("is the daemon's" in c["detail"] for c in examine(daemon) if c["check"] == "ports")


def test_the_callers_user_being_the_daemons_is_no_boundary(daemon):
    daemon.start()
    boundary = of(examine(daemon), "boundary")
    assert boundary["state"] == "warn" and "another user" in boundary["fix"]


def test_a_dead_daemons_vault_is_opened_and_let_go_again(daemon):
    checks = examine(daemon)
    assert of(checks, "daemon")["state"] == "warn"
    assert of(checks, "vault")["state"] == "ok"
    daemon.start()


def test_a_port_that_somebody_else_has_fails(make_daemon):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        daemon = make_daemon({"listen": {"proxy": f"127.0.0.1:{port}"}}).init()
        found = of(examine(daemon), "ports", "fail")
        assert str(port) in found["detail"] and "another" in found["fix"]


def test_a_key_that_others_can_read_fails_with_the_command_that_mends_it(daemon):
    os.chmod(daemon.key, 0o644)
    found = of(examine(daemon), "key", "fail")
    assert "0644" in found["detail"] and found["fix"] == f"chmod 600 {daemon.key}"


def test_a_key_of_another_vault_fails(daemon, make_daemon):
    other = make_daemon().init()
    daemon.key.write_bytes(other.key.read_bytes())
    assert of(examine(daemon), "vault")["state"] == "fail"


def vault_key(daemon, **source):
    """The configuration with its key from elsewhere; the vault stays as it is."""
    settings = json.loads(daemon.config.read_text())
    settings["vault"]["key"] = source
    daemon.config.write_text(json.dumps(settings))


def test_a_passphrase_that_is_asked_for_is_not_asked_for_here(daemon):
    vault_key(daemon, passphrase_file="-")
    checks = examine(daemon)
    assert of(checks, "key")["state"] == "ok" and "asked for" in of(checks, "key")["detail"]
    assert of(checks, "vault", "warn")["fix"]


def test_the_file_of_a_passphrase_is_looked_at_like_a_key(daemon, tmp_path):
    secret = tmp_path / "passphrase"
    secret.write_text("correct horse battery staple\n")
    secret.chmod(0o640)
    vault_key(daemon, passphrase_file=str(secret))
    assert of(examine(daemon), "key", "fail")["fix"] == f"chmod 600 {secret}"


def test_a_credential_that_only_the_unit_has_is_said_to_be_there(daemon):
    vault_key(daemon, credential="master")
    checks = examine(daemon)
    assert "'master'" in of(checks, "key")["detail"]
    assert "unit" in of(checks, "vault", "warn")["detail"]


def test_a_key_command_that_others_can_change_fails(daemon, tmp_path):
    program = tmp_path / "unwrap"
    vault_key(daemon, exec=[str(program)])
    assert "No such file" in of(examine(daemon), "key", "fail")["detail"]
    program.write_text("#!/bin/sh\n")
    program.chmod(0o600)
    assert of(examine(daemon), "key", "fail")["fix"] == f"chmod +x {program}"
    program.chmod(0o777)
    assert of(examine(daemon), "key", "fail")["fix"] == f"chmod go-w {program}"


def test_a_state_of_another_user_is_not_opened(daemon):
    """As root it would leave files there that the daemon could not use; as anybody else it cannot."""
    if os.geteuid() == 0:
        os.chown(daemon.state, 12345, 12345)
        assert "setpriv --reuid 12345" in of(examine(daemon), "vault", "warn")["fix"]
    else:
        daemon.state.chmod(0)
        assert of(examine(daemon), "vault", "fail")["fix"]


def test_a_vault_that_another_process_holds_fails(daemon):
    """Its socket is gone, its lock is not."""
    daemon.start()
    (daemon.state / "admin.sock").unlink()
    found = of(examine(daemon), "vault", "fail")
    assert "admin socket is gone" in found["fix"]


def test_names_that_do_not_resolve_are_a_warning_with_a_fix(make_daemon):
    daemon = make_daemon({"egress": {"allow": ["nothing.invalid:443"]}}).init()
    found = of(examine(daemon), "dns", "warn")
    assert "nothing.invalid" in found["detail"] and "resolv.conf" in found["fix"]


def test_a_name_that_the_configuration_resolves_is_not_looked_up(make_daemon):
    daemon = make_daemon({"egress": {"allow": ["nothing.invalid:443"]},
                          "upstream": {"hosts": {"nothing.invalid:443": {"resolve": "127.0.0.1:9"}}}}).init()
    assert "nothing.invalid" not in json.dumps([one for one in examine(daemon) if one["check"] == "dns"])


def test_a_state_that_is_not_there_fails_and_says_init(make_daemon):
    checks = examine(make_daemon())
    assert "postern init" in of(checks, "state", "fail")["fix"]


def test_a_clock_behind_the_files_fails(daemon):
    ahead = os.stat(daemon.state / "marker").st_mtime + 86400
    os.utime(daemon.state / "marker", (ahead, ahead))
    found = of(examine(daemon), "clock")
    assert found["state"] == "fail" and "future" in found["detail"]


def test_roots_without_a_certificate_fail(make_daemon, tmp_path):
    (tmp_path / "empty.pem").write_text("nothing\n")
    daemon = make_daemon({"upstream": {"trust": str(tmp_path / "empty.pem")}}).init()
    assert "no certificate" in of(examine(daemon), "roots", "fail")["detail"]


def test_a_bad_configuration_is_78_with_its_place(daemon):
    daemon.config.write_text("nonsense: 1\n")
    result = daemon.verb("doctor")
    assert result.returncode == 78 and "postern.yaml:1:1" in result.stderr


def test_proxy_variables_are_looked_at_in_both_cases_and_no_token_is_shown(daemon):
    daemon.start()
    ours = f"http://-:pst_secretsecret@{daemon.proxy}"
    checks = examine(daemon, {"http_proxy": ours, "HTTP_PROXY": ours})
    assert of(checks, "http_proxy")["state"] == "ok"
    checks = examine(daemon, {"http_proxy": ours})
    assert "only as http_proxy" in of(checks, "http_proxy", "warn")["detail"]
    checks = examine(daemon, {"http_proxy": ours, "HTTP_PROXY": "http://proxy.corp:3128"})
    assert "disagree" in of(checks, "http_proxy", "warn")["detail"]
    checks = examine(daemon, {"HTTP_PROXY": "http://user:hidden@proxy.corp:3128"})
    assert "proxy.corp:3128" in of(checks, "http_proxy", "warn")["detail"]
    assert "hidden" not in json.dumps(checks)
    checks = examine(daemon, {"http_proxy": ours, "HTTP_PROXY": ours, "NO_PROXY": "api.stripe.com",
                              "https_proxy": "http://proxy.corp:3128", "ALL_PROXY": ours})
    assert "api.stripe.com" in of(checks, "no_proxy", "warn")["detail"]
    assert "past postern" in of(checks, "https_proxy", "warn")["detail"]
    assert "pst_" not in json.dumps(checks)
