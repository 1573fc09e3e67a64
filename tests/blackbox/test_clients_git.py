"""git through the proxy, from an nginx that wants a bearer token; and nginx as a foreign server."""
import hashlib
import os
import subprocess

import pytest
from conftest import World, world_settings
from kit import SECRET
from kit.daemon import clean_environment

SERVER = """
root {root};
if ($http_authorization != "Bearer %s") {{ return 401; }}
location = /echo {{ default_type application/json; return 200 '{{"method":"$request_method","uri":"$request_uri"}}'; }}
location / {{ }}
""" % SECRET


@pytest.fixture(scope="module")
def served(make_nginx, make_daemon, ca, tmp_path_factory):
    root = tmp_path_factory.mktemp("root")
    (root / "large.bin").write_bytes(os.urandom(20_000_000))
    nginx = make_nginx(SERVER.format(root=root))
    world = World(make_daemon(world_settings(nginx.address, ca, **{"git.test:443": nginx.address})), nginx, ca)
    world.daemon.connect(alias="git", config={"hosts": ["git.test"]})
    world.root = root
    world.all = world.daemon.token("*")
    return world


def git(world, *arguments):
    environment = {**clean_environment(world.daemon.home), "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0",
                   "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@test", "GIT_COMMITTER_NAME": "a",
                   "GIT_COMMITTER_EMAIL": "a@test"}
    return subprocess.run(["git", "-c", "init.defaultBranch=main", *map(str, arguments)], capture_output=True,
                          text=True, env=environment, timeout=60)


def test_git_clones_a_repository(served, tmp_path):
    work = tmp_path / "work"
    assert git(served, "init", work).returncode == 0
    for number in range(5):
        (work / f"file{number}").write_text(f"content {number}\n" * 1000)
        git(served, "-C", work, "add", ".")
        assert git(served, "-C", work, "commit", "-m", f"commit {number}").returncode == 0
    bare = served.root / "repo.git"
    assert git(served, "clone", "--bare", work, bare).returncode == 0
    assert git(served, "-C", bare, "update-server-info").returncode == 0
    proxy = f"http://git:{served.all}@{served.daemon.proxy}"
    cloned = git(served, "-c", f"http.proxy={proxy}", "clone", "http://git.test/repo.git", tmp_path / "clone")
    assert cloned.returncode == 0, cloned.stderr
    assert (tmp_path / "clone" / "file4").read_text() == "content 4\n" * 1000


def test_git_without_the_connection_gets_nothing(served, tmp_path):
    proxy = f"http://nobody:{served.all}@{served.daemon.proxy}"
    cloned = git(served, "-c", f"http.proxy={proxy}", "clone", "http://git.test/repo.git", tmp_path / "clone")
    assert cloned.returncode != 0
    assert SECRET not in cloned.stderr


def test_nginx_serves_a_large_file_unchanged(served):
    expected = hashlib.sha256((served.root / "large.bin").read_bytes()).hexdigest()
    for _ in range(2):
        response = served.call(path="/large.bin")
        assert response.status == 200 and hashlib.sha256(response.body).hexdigest() == expected


def test_nginx_serves_ranges_and_conditional_requests(served):
    part = served.call(path="/large.bin", fields=["Range: bytes=10-19"])
    assert (part.status, len(part.body)) == (206, 10)
    again = served.call(path="/large.bin", fields=[f"If-None-Match: {part.fields.get('etag')}"])
    assert (again.status, again.body) == (304, b"")


def test_nginx_serves_compressed_and_closes_politely(served):
    response = served.call(path="/echo", fields=["Accept-Encoding: gzip"])
    assert response.status == 200
    plain = served.call("POST", "/echo", body=b"x" * 10)
    assert plain.json()["method"] == "POST"


def test_nginx_keeps_a_connection_for_many(served):
    with served.client() as client:
        for number in range(300):
            client.send(served.head(path=f"/echo?{number}"))
            assert client.response().json()["uri"] == f"/echo?{number}"
