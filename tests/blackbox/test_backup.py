"""A vault is copied while it runs, and comes back from the copy; whatever is wrong with one is found."""
import json

import pytest
from conftest import World, world_settings
from kit.daemon import Daemon


@pytest.fixture(scope="module")
def backed(make_daemon, make_upstream, ca, tmp_path_factory):
    upstream = make_upstream()
    world = World(make_daemon(world_settings(upstream, ca)), upstream, ca)
    world.backup = tmp_path_factory.mktemp("backups") / "one"
    done = world.daemon.verb("vault", "backup", world.backup)
    assert done.returncode == 0, done.stderr
    world.daemon.connect(alias="later")
    yield world
    assert world.daemon.stop() == 0


def copy_of(world, folder):
    """A daemon with the same key and another, empty state."""
    settings = json.loads(world.daemon.config.read_text())
    settings["state"] = str(folder / "state")
    other = Daemon(folder, text=json.dumps(settings))
    other.admin_token = world.daemon.admin_token
    return other


def test_a_restored_vault_serves_what_the_backup_held(backed, tmp_path):
    other = copy_of(backed, tmp_path)
    done = other.verb("vault", "restore", backed.backup)
    assert done.returncode == 0, done.stderr
    checked = other.verb("vault", "verify", "-o", "json")  # without a daemon
    assert checked.returncode == 0, checked.stderr
    assert json.loads(checked.stdout)["sound"]["connection"] == 1
    other.start()
    try:
        names = [c["alias"] for c in other.api("GET", "/api/v1/connections").json()["data"]]
        assert names == ["api"]
    finally:
        assert other.stop() == 0


def test_the_master_key_is_not_in_a_backup(backed):
    key = backed.daemon.key.read_bytes().split(b":")[1].strip()
    files = [f for f in backed.backup.rglob("*") if f.is_file()]
    assert len(files) > 3
    assert not [f for f in files if key[:16] in f.read_bytes() or b"upstream-secret" in f.read_bytes()]
    assert backed.backup.stat().st_mode & 0o777 == 0o700


def test_nothing_is_overwritten(backed, tmp_path):
    assert backed.daemon.verb("vault", "backup", backed.backup).returncode == 1
    assert backed.daemon.verb("vault", "backup", backed.daemon.state / "inside").returncode == 1
    refused = backed.daemon.verb("vault", "restore", backed.backup)
    assert refused.returncode == 75, refused.stderr  # a daemon runs on it
    other = copy_of(backed, tmp_path)
    assert other.verb("vault", "restore", backed.backup).returncode == 0
    again = other.verb("vault", "restore", backed.backup)
    assert (again.returncode, again.stderr.count("\n")) == (1, 1)


def test_offline_verbs_keep_away_from_a_running_vault(backed):
    assert backed.daemon.verb("vault", "migrate").returncode == 75


def test_a_stopped_vault_is_backed_up_verified_and_migrated(backed, tmp_path):
    other = copy_of(backed, tmp_path)
    assert other.verb("vault", "restore", backed.backup).returncode == 0
    done = other.verb("vault", "backup", tmp_path / "second")
    assert done.returncode == 0, done.stderr
    migrated = other.verb("vault", "migrate")
    assert migrated.returncode == 0, migrated.stderr
    assert migrated.stdout.startswith("nothing to do: ")
    third = copy_of(backed, tmp_path / "third")
    assert third.verb("vault", "restore", tmp_path / "second").returncode == 0


def test_a_backup_with_the_wrong_key_is_exit_78_and_leaves_nothing(backed, tmp_path):
    other = copy_of(backed, tmp_path)
    settings = json.loads(other.config.read_text())
    settings["vault"]["key"] = {"passphrase_file": str(tmp_path / "words")}
    (tmp_path / "words").write_text("correct horse battery staple\n")
    (tmp_path / "words").chmod(0o600)
    other.config.write_text(json.dumps(settings))
    refused = other.verb("vault", "restore", backed.backup)
    assert refused.returncode == 78, refused.stderr
    assert not (other.state / "vault").exists()


@pytest.mark.parametrize("kind", ["passphrase", "credential", "exec"])
def test_every_kind_of_master_key_opens_a_vault_and_a_wrong_one_is_exit_78(kind, tmp_path):
    source = {"passphrase": {"passphrase_file": str(tmp_path / "key")}, "credential": {"credential": "key"},
              "exec": {"exec": [str(tmp_path / "kms"), "--key", "x"]}}[kind]
    environment = {"CREDENTIALS_DIRECTORY": str(tmp_path)}

    def give(which):
        text = {"passphrase": f"correct horse battery {which}\n", "credential":
                "postern-key-1:" + ("k" if which == 1 else "m") * 42 + "s=\n", "exec": ""}[kind]
        (tmp_path / "key").write_text(text)
        (tmp_path / "key").chmod(0o600)
        (tmp_path / "kms").write_text(
            "#!/usr/bin/python3 -ISE\nimport sys\ndata = sys.stdin.buffer.read()\n"
            f"sys.stdout.buffer.write(bytes(b ^ {which + 40} for b in data))\n")
        (tmp_path / "kms").chmod(0o700)

    give(1)
    daemon = Daemon(tmp_path / "daemon", text=json.dumps({
        "listen": {"proxy": "127.0.0.1:0", "admin": "127.0.0.1:0"}, "state": str(tmp_path / "state"),
        "vault": {"key": source}}))
    made = daemon.verb("init", "-q", environment=environment)
    assert made.returncode == 0, made.stderr
    daemon.admin_token = made.stdout.strip()
    daemon.start(environment=environment)
    daemon.connect(alias="api")
    assert daemon.stop() == 0
    before = {f: f.read_bytes() for f in sorted((tmp_path / "state").rglob("*")) if f.is_file()}
    give(2)
    refused = daemon.verb("run", environment=environment)
    assert refused.returncode == 78, refused.stderr
    assert refused.stderr.count("\n") == 1
    assert {f: f.read_bytes() for f in sorted((tmp_path / "state").rglob("*")) if f.is_file()} == before
    give(1)
    daemon.start(environment=environment)
    assert daemon.api("GET", "/api/v1/connections").json()["data"][0]["alias"] == "api"
    assert daemon.stop() == 0
