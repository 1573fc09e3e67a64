"""The local CA: made, shown, exported, rotated and deleted, with OpenSSL's own command as the foreign judge."""
import json
import re
import subprocess

import pytest
from kit.daemon import Daemon, merged
from conftest import world_settings

PEM = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", re.S)
# How every PKCS #8 key of P-256 begins, whoever wrote it, and an EC key inside of it.
KEY_IN_CLEAR = [b"PRIVATE KEY", bytes.fromhex("301306072a8648ce3d020106082a8648ce3d030107046d306b0201010420"),
                bytes.fromhex("306b0201010420")]
NAMES = ["api.github.com", "*.slack.com"]


def openssl(*arguments, input=None):
    result = subprocess.run(["openssl", *map(str, arguments)], input=input, text=True, capture_output=True, timeout=60)
    assert result.returncode == 0, result.stderr
    return result.stdout


def shown(daemon):
    result = daemon.verb("ca", "show", "-o", "json")
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def files_of(folder):
    return [file for file in folder.rglob("*") if file.is_file()]


def interception(daemon):
    """doctor's row about it."""
    checks = json.loads(daemon.verb("doctor", "-o", "json", timeout=120).stdout)["checks"]
    return next(check for check in checks if check["check"] == "interception")


@pytest.fixture
def daemon(make_daemon, make_upstream, ca):
    """Without a CA, and with interception opted in for api.test."""
    daemon = make_daemon(merged(world_settings(make_upstream(), ca), {"intercept": {"hosts": ["api.test"]}})).init().start()
    yield daemon
    assert daemon.stop() == 0


@pytest.fixture
def made(daemon):
    result = daemon.verb("ca", "create", "--names", ",".join(NAMES))
    assert result.returncode == 0, result.stderr
    return daemon


# --- what it is
def test_openssl_reads_what_it_is_confined_to(made):
    text = openssl("x509", "-noout", "-text", input=made.verb("ca", "export").stdout)
    assert "ASN1 OID: prime256v1" in text
    assert re.search(r"Basic Constraints: critical\s+CA:TRUE, pathlen:0\n", text)
    assert re.search(r"Key Usage: critical\s+Certificate Sign, CRL Sign\n", text)
    confined = text[text.index("Name Constraints: critical"):]
    permitted = confined[confined.index("Permitted"):confined.index("Excluded")]
    assert set(re.findall(r"DNS:(\S+)", permitted)) == {"api.github.com", "slack.com", "postern.internal"}
    assert "IP:0.0.0.0/0.0.0.0" in confined, "no address is permitted, so every address is excluded"


def test_openssl_takes_it_as_a_root_and_has_the_same_fingerprint(made, tmp_path):
    file = tmp_path / "ca.pem"
    result = made.verb("ca", "export", "--out", file)
    assert result.returncode == 0, result.stderr
    assert openssl("verify", "-x509_strict", "-CAfile", file, file).strip().endswith(": OK")
    fingerprint = openssl("x509", "-noout", "-fingerprint", "-sha256", "-in", file).strip().partition("=")[2]
    assert fingerprint == shown(made)["fingerprint"] == made.verb("ca", "show", "-q").stdout.strip()
    assert file.stat().st_mode & 0o777 == 0o644


def test_by_itself_it_is_confined_to_what_is_opted_in_and_what_connections_use(daemon):
    daemon.connect(alias="other", config={"hosts": ["other.test"]})
    assert daemon.verb("ca", "create").returncode == 0
    assert shown(daemon)["names"] == ["api.test", "other.test", "postern.internal"]


def test_it_is_made_once_and_the_second_try_says_what_to_do(made):
    before = shown(made)["fingerprint"]
    again = made.verb("ca", "create")
    assert again.returncode == 1 and "postern ca rotate" in again.stderr
    assert shown(made)["fingerprint"] == before


@pytest.mark.parametrize("verb", ["show", "export", "rotate", "delete"])
def test_without_one_there_is_exit_code_3_and_the_verb_that_helps(daemon, verb):
    result = daemon.verb("ca", verb)
    assert result.returncode == 3
    assert "postern ca create" in result.stderr and result.stdout == ""


@pytest.mark.parametrize("name", ["com", "*.co.uk", "localhost", "api.test:443", "https://api.test", "*", "a b"])
def test_a_name_that_it_cannot_be_confined_to_makes_nothing(daemon, name):
    result = daemon.verb("ca", "create", "--names", f"api.test,{name}")
    assert result.returncode == 1 and "/names/1" in result.stderr
    assert daemon.verb("ca", "show").returncode == 3


# --- before the daemon runs
def test_init_makes_it_before_the_daemon_runs(make_daemon):
    daemon = make_daemon({"intercept": {"hosts": ["api.github.com", "*.slack.com:8443"]}})
    result = daemon.verb("init", "--ca", "-o", "json")
    assert result.returncode == 0, result.stderr
    made = json.loads(result.stdout)
    daemon.admin_token = made["token"]
    daemon.start()
    assert shown(daemon)["fingerprint"] == made["ca"]
    assert shown(daemon)["names"] == ["api.github.com", "postern.internal", "slack.com"]
    assert interception(daemon)["state"] == "ok"
    assert daemon.stop() == 0


# --- how long it lasts
def test_a_restart_keeps_it(made):
    before = made.verb("ca", "export").stdout
    assert made.stop() == 0
    made.start()
    assert made.verb("ca", "export").stdout == before
    assert not made.event("authority_not_opened")


def test_a_rotation_keeps_the_one_before_for_a_transition(made, tmp_path):
    before = made.verb("ca", "export").stdout
    result = made.verb("ca", "rotate", "--names", "api.github.com", "-q")
    assert result.returncode == 0, result.stderr
    after = made.verb("ca", "export").stdout
    assert after != before and shown(made)["fingerprint"] == result.stdout.strip()
    assert shown(made)["previous"]["certificate"] == before
    assert made.verb("ca", "export", "--previous").stdout == after + before
    roots = tmp_path / "roots.pem"
    roots.write_text(openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                             "/CN=somebody", "-keyout", tmp_path / "key.pem"))
    bundle = made.verb("ca", "export", "--bundle", environment={"SSL_CERT_FILE": str(roots)}).stdout
    assert PEM.findall(bundle) == [roots.read_text(), after, before]


def test_a_rotation_of_the_data_keys_does_not_touch_it(made):
    before = made.verb("ca", "export").stdout
    assert made.verb("vault", "rotate", timeout=120).returncode == 0
    assert made.verb("ca", "export").stdout == before


def test_a_deleted_one_is_gone_and_doctor_says_so(made):
    assert made.verb("ca", "delete").returncode == 0
    assert made.verb("ca", "show").returncode == 3
    row = interception(made)
    assert row["state"] == "fail" and row["fix"] == "postern ca create"


def test_it_comes_back_with_a_backup(made, tmp_path):
    before = made.verb("ca", "export").stdout
    assert made.verb("vault", "backup", tmp_path / "backup").returncode == 0
    settings = json.loads(made.config.read_text())
    settings["state"] = str(tmp_path / "other" / "state")
    other = Daemon(tmp_path / "other", text=json.dumps(settings))
    assert other.verb("vault", "restore", tmp_path / "backup").returncode == 0
    checked = other.verb("vault", "verify", "-o", "json")
    assert checked.returncode == 0 and json.loads(checked.stdout)["sound"]["authority"] == 1
    other.start()
    assert other.verb("ca", "export").stdout == before
    assert other.stop() == 0


# --- what nobody sees
def test_its_key_is_nowhere_in_clear(made, tmp_path):
    assert made.verb("ca", "rotate").returncode == 0
    assert made.verb("vault", "backup", tmp_path / "backup").returncode == 0
    assert made.stop() == 0
    looked_at = files_of(made.state) + files_of(tmp_path / "backup") + [made.log_file]
    assert len(looked_at) > 6
    for file in looked_at:
        text = file.read_bytes()
        assert not [mark for mark in KEY_IN_CLEAR if mark in text], file


def test_a_caller_may_read_it_and_not_make_it(made):
    token = made.token()
    assert made.api("GET", "/api/v1/ca", token=token).json() == made.api("GET", "/api/v1/ca").json()
    for method, path in (("POST", "/api/v1/ca"), ("POST", "/api/v1/ca/rotate"), ("DELETE", "/api/v1/ca")):
        assert made.api(method, path, token=token).status == 403


def test_what_happened_to_it_is_in_the_audit_log(made):
    assert made.verb("ca", "rotate").returncode == 0
    lines = made.verb("audit", "tail", "--subject", "ca", "-o", "json").stdout.splitlines()
    events = [json.loads(line) for line in lines]
    assert [event["action"] for event in events] == ["ca.created", "ca.rotated"]
    assert events[-1]["detail"]["fingerprint"] == shown(made)["fingerprint"]


# --- what is opted in
def test_doctor_knows_the_hosts_that_it_is_not_for(daemon):
    assert interception(daemon)["fix"] == "postern ca create"
    assert daemon.verb("ca", "create").returncode == 0
    assert interception(daemon)["state"] == "ok"
    settings = json.loads(daemon.config.read_text())
    settings["intercept"] = {"hosts": ["api.test", "*.wild.test"]}
    daemon.config.write_text(json.dumps(settings))
    assert "intercept.hosts" in daemon.verb("reload").stdout
    row = interception(daemon)
    assert row["state"] == "fail" and "*.wild.test" in row["detail"] and "postern ca rotate" in row["fix"]
    assert daemon.verb("ca", "rotate").returncode == 0
    assert interception(daemon)["state"] == "ok"
    assert shown(daemon)["names"] == ["api.test", "postern.internal", "wild.test"]


def test_a_pattern_that_is_too_wide_is_refused_with_its_place_and_changes_nothing(daemon):
    good = daemon.config.read_text()
    daemon.config.write_text("state: /nowhere\nintercept:\n  hosts: [api.test, '*.com']\n")
    result = daemon.verb("config", "validate")
    assert result.returncode == 78 and "postern.yaml:3:21: " in result.stderr
    assert daemon.verb("config", "validate").returncode == 78
    daemon.config.write_text(good)
    assert daemon.verb("config", "validate").returncode == 0


def test_the_instructions_name_every_system_and_need_no_daemon(make_daemon):
    daemon = make_daemon()
    for verb in (("ca", "trust"), ("ca", "export", "--help")):
        result = daemon.verb(*verb)
        assert result.returncode == 0
        for word in ("update-ca-certificates", "update-ca-trust", "add-trusted-cert", "certutil", "keytool",
                     "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "http.sslCAInfo", "CURL_CA_BUNDLE"):
            assert word in result.stdout
