"""Every door: sockets from systemd, a unix socket for callers, the health port; and what the manager is told."""
import os
import socket
import stat
import subprocess

import pytest
from conftest import world_settings
from kit import until
from kit.daemon import binary, clean_environment, ends_with_us
from kit.http1 import Client, basic


class Manager:
    """Starts the daemon as systemd does: descriptors from 3 on, and a socket for what it has to say."""

    def __init__(self, daemon, folder, abstract=False):
        self.daemon = daemon
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        name = f"\0postern-test-{os.getpid()}-{id(self)}" if abstract else str(folder / "notify")
        self.notify.bind(name)
        self.name = name.replace("\0", "@", 1)
        self.notify.settimeout(60)
        self.told = []

    def start(self, sockets=(), names=None, pid="$$", **variables):
        environment = {**clean_environment(self.daemon.home), "NOTIFY_SOCKET": self.name, **variables}
        listen = ""
        if sockets:
            listen = f"LISTEN_PID={pid} LISTEN_FDS={len(sockets)} "
            listen += f"LISTEN_FDNAMES={':'.join(names)} " if names else ""
        moves = "; ".join(f"exec {3 + i}<&{100 + i} {100 + i}<&-" for i in range(len(sockets)))
        script = f"{moves or ':'}; export {listen or 'NOTHING=1'}; exec {binary()} run --config {self.daemon.config}"
        for i, one in enumerate(sockets):
            os.dup2(one.fileno(), 100 + i, inheritable=True)
        self.daemon.starts += 1
        self.daemon.log_file = self.daemon.folder / f"run{self.daemon.starts}.log"
        with open(self.daemon.log_file, "wb") as log:
            self.daemon.process = subprocess.Popen(
                ["bash", "-c", script], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.daemon.folder,
                pass_fds=[100 + i for i in range(len(sockets))], preexec_fn=ends_with_us, env=environment)
        for i in range(len(sockets)):
            os.close(100 + i)
        return self

    def ready(self):
        self.wait_for("READY=1")
        ready = until(lambda: self.daemon.event("ready"), 60, "the ready line")
        self.daemon.proxy, self.daemon.admin = ready["proxy"], ready["admin"]
        return self

    def wait_for(self, word):
        while True:
            self.told.append(self.notify.recv(4096).decode())
            if word in self.told[-1].splitlines():
                return self.told[-1]


def listening():
    return socket.create_server(("127.0.0.1", 0), backlog=64)


def address(sock):
    return "127.0.0.1:%d" % sock.getsockname()[1]


@pytest.fixture
def manager(make_daemon, make_upstream, ca, tmp_path):
    def make(abstract=False, **settings):
        daemon = make_daemon({**world_settings(make_upstream(), ca), **settings}).init()
        return Manager(daemon, tmp_path, abstract)

    return make


@pytest.mark.parametrize("abstract", [False, True], ids=["path", "abstract"])
def test_the_manager_is_told_when_it_serves_reloads_and_stops(manager, abstract):
    run = manager(abstract).start().ready()
    assert "STATUS=" in run.told[-1]
    assert run.daemon.verb("reload").returncode == 0
    assert "MONOTONIC_USEC=" in run.wait_for("RELOADING=1")
    run.wait_for("READY=1")
    run.daemon.signal()
    run.wait_for("STOPPING=1")
    assert run.daemon.wait() == 0


def test_a_reload_that_fails_ends_for_the_manager_too(manager):
    run = manager().start().ready()
    run.daemon.config.write_text("nonsense: 1\n")
    run.daemon.signal(1)
    run.wait_for("RELOADING=1")
    run.wait_for("READY=1")


def test_the_watchdog_hears_from_it(manager):
    run = manager().start(WATCHDOG_USEC="200000").ready()
    run.wait_for("WATCHDOG=1")
    run.wait_for("WATCHDOG=1")


def test_sockets_that_were_handed_over_are_served_by_their_names(manager):
    admin, proxy = listening(), listening()
    run = manager().start([admin, proxy], ["admin", "proxy"]).ready()
    assert (run.daemon.proxy, run.daemon.admin) == (address(proxy), address(admin))
    connection = run.daemon.connect(alias="api")
    token = run.daemon.token(connection["id"])
    with Client(address(proxy)) as client:
        client.send(f"GET http://api.test/ HTTP/1.1\r\nHost: api.test\r\n"
                    f"Proxy-Authorization: {basic('api', token)}\r\n\r\n")
        assert client.response().status == 200


def test_without_names_the_first_is_the_proxy_and_the_second_the_admin_api(manager):
    proxy, admin = listening(), listening()
    run = manager().start([proxy, admin]).ready()
    assert (run.daemon.proxy, run.daemon.admin) == (address(proxy), address(admin))


def test_a_caller_waits_in_a_handed_over_socket_while_the_daemon_is_away(manager):
    proxy = listening()
    with Client(address(proxy), timeout=60) as early:
        early.send("GET http://api.test/ HTTP/1.1\r\nHost: api.test\r\n\r\n")
        manager().start([proxy], ["proxy"]).ready()
        assert early.response().status == 407


def test_sockets_for_another_process_are_left_alone(manager):
    run = manager().start([listening()], ["nonsense"], pid="1").ready()
    assert run.daemon.running()


@pytest.mark.parametrize("names, word", [(["postern.socket"], "proxy, admin or health"), (["admin", "admin"], "second")])
def test_a_name_that_nobody_knows_or_twice_is_a_configuration_error(manager, names, word):
    run = manager().start([listening() for _ in names], names)
    assert run.daemon.wait() == 78
    assert word in run.daemon.log_file.read_text()


def test_a_descriptor_that_does_not_listen_is_refused(manager):
    near, far = socket.socketpair()
    run = manager().start([near], ["proxy"])
    assert run.daemon.wait() == 78
    assert "not a listening" in run.daemon.log_file.read_text()
    far.close()


def test_a_socket_off_loopback_is_judged_like_an_address_of_ones_own(manager):
    everywhere = socket.create_server(("0.0.0.0", 0))
    run = manager().start([everywhere], ["proxy"])
    assert run.daemon.wait() != 0
    assert "insecure_listen" in run.daemon.log_file.read_text()


def test_the_verbs_find_a_daemon_that_listens_off_loopback(make_daemon):
    daemon = make_daemon({"listen": {"proxy": "0.0.0.0:0"}, "insecure_listen": True}).init().start()
    for verb in (["status"], ["connections", "list"], ["providers", "list"], ["env"], ["exec", "--", "true"]):
        result = daemon.verb(*verb)
        assert result.returncode == 0, result.stderr


def test_another_user_of_the_admin_socket_may_pass_to_it_and_open_nothing_else(make_daemon):
    alone = make_daemon().init().start()
    assert stat.S_IMODE(os.stat(alone.state).st_mode) == 0o700
    shared = make_daemon({"admin": {"socket_uids": [os.geteuid(), 65534]}}).init().start()
    assert stat.S_IMODE(os.stat(shared.state).st_mode) == 0o711
    for name in os.listdir(shared.state):
        mode = os.stat(shared.state / name).st_mode
        assert name == "admin.sock" or not mode & 0o077, name


def test_no_child_inherits_the_sockets_or_their_variables(manager):
    run = manager().start([listening()], ["proxy"]).ready()
    links = [os.readlink(f"/proc/{run.daemon.process.pid}/fd/{fd}") for fd in ("3",)]
    assert links[0].startswith("socket:")
    flags = int(next(line.split()[1] for line in open(f"/proc/{run.daemon.process.pid}/fdinfo/3") if
                     line.startswith("flags:")), 8)
    assert flags & os.O_CLOEXEC


# listen.unix
@pytest.fixture
def unix_world(make_daemon, make_upstream, ca, tmp_path):
    path = tmp_path / "proxy.sock"
    daemon = make_daemon({**world_settings(make_upstream(), ca),
                          "listen": {"proxy": "127.0.0.1:0", "admin": "127.0.0.1:0", "unix": str(path)}})
    daemon.init().start()
    connection = daemon.connect(alias="api")
    return daemon, path, daemon.token(connection["id"])


def over_unix(path, text):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(30)
        sock.connect(str(path))
        sock.sendall(text.encode())
        return sock.recv(65536)


def test_callers_reach_it_over_a_unix_socket(unix_world):
    daemon, path, token = unix_world
    assert path.stat().st_mode & 0o777 == 0o660
    named = f"Proxy-Authorization: {basic('api', token)}\r\n"
    assert over_unix(path, f"GET http://api.test/ HTTP/1.1\r\nHost: api.test\r\n{named}\r\n").startswith(b"HTTP/1.1 200")
    assert over_unix(path, "GET http://api.test/ HTTP/1.1\r\nHost: api.test\r\n\r\n").startswith(b"HTTP/1.1 407")


def test_base_url_mode_works_there_with_any_host(unix_world):
    daemon, path, token = unix_world
    result = subprocess.run(["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "--unix-socket", str(path), "-H",
                             f"Authorization: Bearer {token}", "http://postern/c/api/v1"], capture_output=True, text=True)
    assert result.stdout == "200", result.stderr


def test_its_file_goes_with_the_daemon_and_a_stale_one_is_replaced(unix_world):
    daemon, path, _ = unix_world
    daemon.process.kill()
    daemon.process.wait()
    assert path.exists()
    daemon.start()
    assert daemon.stop() == 0
    assert not path.exists()


# listen.health
def test_the_health_port_shows_probes_and_metrics_without_a_token_and_nothing_else(make_daemon):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    daemon = make_daemon({"listen": {"proxy": "127.0.0.1:0", "admin": "127.0.0.1:0", "health": f"127.0.0.1:{port}"}})
    daemon.init().start()
    with Client(f"127.0.0.1:{port}") as client:
        for path, status in (("/livez", 200), ("/readyz", 200), ("/startupz", 200), ("/metrics", 200),
                             ("/api/v1/status", 404), ("/api/v1/connections", 404)):
            client.send(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n")
            assert client.response().status == status, path
    assert daemon.api("GET", "/metrics", token=False).status == 401
