"""Data keys and master key are rotated while requests run, and the process is killed in the middle of it."""
import json

from conftest import World, world_settings
from kit.rotation import Ordeal


def test_requests_do_not_notice_a_rotation_and_every_kill_is_survived(make_daemon, make_upstream, ca):
    upstream = make_upstream()
    world = World(make_daemon(world_settings(upstream, ca)), upstream, ca)
    ordeal = Ordeal(world, connections=60)
    requests = ordeal.run(kills=8)
    assert not requests.failed
    assert requests.answered > 0
    assert ordeal.resumed == 8
    assert world.daemon.stop() == 0


def test_the_command_line_rotates_and_waits(make_daemon, make_upstream, ca):
    upstream = make_upstream()
    world = World(make_daemon(world_settings(upstream, ca)), upstream, ca)
    before = json.loads(world.daemon.verb("vault", "status", "-o", "json").stdout)
    done = world.daemon.verb("vault", "rotate")
    assert done.returncode == 0, done.stderr
    assert "DONE" in done.stdout
    after = json.loads(world.daemon.verb("vault", "status", "-o", "json").stdout)
    assert after["masterKeyId"] == before["masterKeyId"]
    assert {key["id"] for key in after["dataKeys"] if key["active"]} != {k["id"] for k in before["dataKeys"] if k["active"]}
    assert world.call().status == 200
    assert world.daemon.stop() == 0


def test_a_new_master_key_is_the_one_the_next_start_needs(make_daemon, make_upstream, ca):
    upstream = make_upstream()
    world = World(make_daemon(world_settings(upstream, ca)), upstream, ca)
    daemon = world.daemon
    second = daemon.folder / "keys" / "second.key"
    done = daemon.verb("vault", "rewrap", "--key-file", second)
    assert done.returncode == 0, done.stderr
    assert second.stat().st_mode & 0o777 == 0o600
    assert world.call().status == 200
    wanted = json.loads(daemon.verb("vault", "status", "-o", "json").stdout)["masterKeyId"]
    assert daemon.stop() == 0
    refused = daemon.verb("run")
    assert refused.returncode == 78
    assert wanted in refused.stderr
    settings = json.loads(daemon.config.read_text())
    settings["vault"]["key"]["file"] = str(second)
    daemon.config.write_text(json.dumps(settings))
    daemon.start()
    assert world.call().status == 200
    assert daemon.stop() == 0
