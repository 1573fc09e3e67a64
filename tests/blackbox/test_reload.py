"""`postern reload` and SIGHUP swap the configuration while requests run; a bad one changes nothing."""
import contextlib
import json
import signal
import threading

import pytest
from conftest import merged, world_settings
from kit import until
from kit.http1 import Client, basic
from kit.upstream import answer


class Reloadable:
    """A daemon whose file can be changed; the settings that are in it now."""

    def __init__(self, daemon, settings):
        self.daemon, self.settings = daemon, settings
        self.file = json.loads(daemon.config.read_text())
        daemon.init().start()
        self.connection = daemon.connect(alias="api")
        self.token = daemon.token("*")

    def change(self, **settings):
        self.file = merged(self.file, settings)
        self.daemon.config.write_text(json.dumps(self.file, indent=1))

    def reload(self):
        return self.daemon.verb("reload")

    def request(self, host="api.test", path="/", connection="api", fields=""):
        named = f"X-Connection-Id: {connection}\r\n" if connection else ""
        return (f"GET http://{host}{path} HTTP/1.1\r\nHost: {host}\r\n{named}"
                f"Proxy-Authorization: {basic('-', self.token)}\r\n{fields}\r\n")

    def call(self, **options):
        with Client(self.daemon.proxy) as client:
            client.send(self.request(**options))
            return client.response()


@pytest.fixture
def reloadable(make_daemon, make_upstream, ca):
    def make(**settings):
        upstream = make_upstream()
        settings = merged(world_settings(upstream, ca, **{"other.test:443": upstream}), settings)
        made = Reloadable(make_daemon(settings), settings)
        made.upstream = upstream
        return made

    return make


def test_it_says_what_changed_and_what_needs_a_restart(reloadable):
    run = reloadable()
    run.change(client={"idle": "30s"}, workers=2)
    result = run.reload()
    assert result.returncode == 0, result.stderr
    assert "client.idle: 75s -> 30s" in result.stdout
    assert "needs a restart: workers: 1 -> 2" in result.stdout
    again = run.reload()
    assert "client.idle" not in again.stdout and "needs a restart: workers" in again.stdout


def test_nothing_changed_is_said_too(reloadable):
    assert reloadable().reload().stdout == "nothing changed\n"


def test_a_bad_configuration_is_named_by_line_and_the_old_one_stays(reloadable):
    run = reloadable(egress={"allow": ["other.test"]})
    run.daemon.config.write_text("egress: {allow: []}\nclient: {idlee: 5s}\n")
    result = run.reload()
    assert result.returncode == 78
    assert "postern.yaml:2:10" in result.stderr and "did you mean 'idle'" in result.stderr
    assert run.call(host="other.test", connection=None).status == 200


def test_a_bad_catalog_entry_leaves_everything_as_it_was(reloadable, tmp_path):
    run = reloadable(catalog=[str(tmp_path)])
    (tmp_path / "acme.yaml").write_text("id: acme\nhosts: nonsense\n")
    run.change(client={"idle": "30s"})
    result = run.reload()
    assert result.returncode == 78 and "acme.yaml:1:1" in result.stderr
    assert run.call().status == 200
    (tmp_path / "acme.yaml").unlink()
    assert "client.idle: 75s -> 30s" in run.reload().stdout


def test_hangup_does_the_same(reloadable):
    run = reloadable()
    assert run.call(host="other.test", connection=None).status == 400
    run.change(egress={"allow": ["other.test"]})
    run.daemon.signal(signal.SIGHUP)
    until(lambda: run.call(host="other.test", connection=None).status == 200, what="egress to other.test")
    assert run.daemon.running()


def test_a_hangup_with_a_bad_configuration_ends_nothing(reloadable):
    run = reloadable()
    run.daemon.config.write_text("nonsense: 1\n")
    run.daemon.signal(signal.SIGHUP)
    until(lambda: run.daemon.event("reload_failed"), what="the refusal")
    assert run.call().status == 200


def test_egress_that_is_taken_away_is_refused_from_then_on_on_a_kept_connection_too(reloadable):
    run = reloadable(egress={"allow": ["other.test"]})
    with Client(run.daemon.proxy) as client:
        client.send(run.request(host="other.test", connection=None))
        assert client.response().status == 200
        run.change(egress={"allow": None})
        assert "egress.allow" in run.reload().stdout
        client.send(run.request(host="other.test", connection=None))
        assert client.response().status == 400


def test_a_request_under_way_finishes_with_what_it_began_with(reloadable):
    run = reloadable(egress={"allow": ["other.test"]}, upstream={"timeouts": {"head": "30s"}})
    release = threading.Event()

    def slow(exchange, _):
        release.wait(30)
        exchange.send(answer(b"as it began"))

    run.upstream.answer = slow
    with Client(run.daemon.proxy, timeout=40) as client:
        client.send(run.request(host="other.test", connection=None))
        run.upstream.wait_for(1)
        run.change(egress={"allow": None}, upstream={"timeouts": {"head": "100ms"}})
        assert run.reload().returncode == 0
        run.upstream.answer = lambda exchange, _: release.wait(30)
        assert run.call().status == 504  # what begins now has the new deadline
        release.set()
        response = client.response()
        assert (response.status, response.body) == (200, b"as it began")


def test_exceptions_and_roots_change_for_new_requests(reloadable, make_upstream):
    run = reloadable()
    assert run.call().status == 200
    second = make_upstream()
    run.change(upstream={"hosts": {"api.test:443": {"resolve": second.address}}})
    assert "upstream.hosts" in run.reload().stdout
    assert run.call().status == 200
    assert len(second.requests) == 1
    run.change(upstream={"hosts": {"api.test:443": {"trust": None}}})
    run.reload()
    response = run.call()
    assert (response.status, response.code) == (502, "upstream-certificate")


def test_limits_and_logs_change(reloadable):
    run = reloadable()
    assert run.call(path="/logged").status == 200
    run.change(limits={"body": 10}, log={"access": False})
    assert run.reload().returncode == 0
    with Client(run.daemon.proxy) as client:
        client.send(run.request(path="/silent", fields="Content-Length: 11\r\n"))
        assert client.response().status == 413
    run.daemon.stop()
    assert "/logged" in run.daemon.log_file.read_text()
    assert "/silent" not in run.daemon.log_file.read_text()


def test_a_new_limit_of_connections_holds(reloadable):
    run = reloadable()
    run.change(client={"max": 1})
    assert run.reload().returncode == 0
    with Client(run.daemon.proxy) as first:
        first.send(run.request())
        assert first.response().status == 200
        refused = run.call()
        assert (refused.status, refused.code) == (503, "overloaded")


def test_the_mode_of_callers_waits_where_its_address_waits(reloadable):
    """Both were checked together: an open mode that is fine on the new address need not be on the old one."""
    run = reloadable()
    run.change(callers={"mode": "open"}, listen={"proxy": "127.0.0.1:1"})
    result = run.reload()
    assert "needs a restart: listen.proxy" in result.stdout and "needs a restart: callers.mode" in result.stdout
    with Client(run.daemon.proxy) as client:
        client.send("GET http://api.test/ HTTP/1.1\r\nHost: api.test\r\nX-Connection-Id: api\r\n\r\n")
        assert client.response().status == 407


def test_declared_connections_come_and_go(reloadable, tmp_path):
    (tmp_path / "secret").write_text("declared-secret")
    run = reloadable()
    run.change(connections=[{"alias": "pod", "app": "http", "type": "BEARER", "config": {"hosts": ["api.test"]},
                             "value": {"token": {"file": str(tmp_path / "secret")}}}])
    assert "connections added: pod" in run.reload().stdout
    assert run.call(connection="pod").status == 200
    assert run.upstream.requests[-1].fields.get("authorization") == "Bearer declared-secret"
    (tmp_path / "secret").write_text("newer-secret")
    until(lambda: run.call(connection="pod") and
          run.upstream.requests[-1].fields.get("authorization") == "Bearer newer-secret", what="the watched file")
    run.change(connections=[])
    assert "connections removed: pod" in run.reload().stdout
    assert run.call(connection="pod").status == 403


ENTRY = """id: acme
title: Acme
docs: https://acme.test/docs
base_url: https://api.test
hosts: [{hosts}]
auth:
  key: {{type: BEARER}}
"""


def test_a_catalog_entry_may_narrow_stored_destinations_and_never_widens_them(reloadable, tmp_path):
    entry = tmp_path / "acme.yaml"
    entry.write_text(ENTRY.format(hosts="api.test, other.test"))
    run = reloadable(catalog=[str(tmp_path)])
    run.daemon.connect(app="acme", alias="wide", config={}, value={"token": "s"})
    assert run.call(host="other.test", connection="wide").status == 200
    entry.write_text(ENTRY.format(hosts="api.test"))
    assert "providers changed: acme" in run.reload().stdout
    assert run.call(host="api.test", connection="wide").status == 200
    refused = run.call(host="other.test", connection="wide")
    assert (refused.status, refused.code) == (403, "destination-not-allowed")

    run.daemon.connect(app="acme", alias="narrow", config={}, value={"token": "s"})
    entry.write_text(ENTRY.format(hosts="api.test, other.test"))
    run.reload()
    assert run.call(host="other.test", connection="narrow").code == "destination-not-allowed"
    assert run.call(host="other.test", connection="wide").status == 200  # as its secret was stored


def test_a_provider_that_leaves_takes_its_connections_out_of_use_until_it_is_back(reloadable, tmp_path):
    entry = tmp_path / "acme.yaml"
    entry.write_text(ENTRY.format(hosts="api.test"))
    run = reloadable(catalog=[str(tmp_path)])
    run.daemon.connect(app="acme", alias="acme", config={}, value={"token": "s"})
    entry.unlink()
    assert "providers removed: acme" in run.reload().stdout
    assert run.call(connection="acme").code == "connection-error"
    entry.write_text(ENTRY.format(hosts="api.test"))
    assert "providers added: acme" in run.reload().stdout
    assert run.call(connection="acme").status == 200


def test_without_the_capability_it_is_refused(reloadable):
    run = reloadable()
    limited = run.daemon.token("*", capabilities=["connections:read"])
    assert run.daemon.api("POST", "/api/v1/reload", token=limited).status == 403


@contextlib.contextmanager
def under_load(run, **named):
    """Four callers, one request after the other each, until the end of the block; the statuses they were answered."""
    stop, statuses = threading.Event(), []

    def caller():
        with Client(run.daemon.proxy, timeout=60) as client:
            while not stop.is_set():
                client.send(run.request(**named))
                statuses.append(client.response().status)

    callers = [threading.Thread(target=caller) for _ in range(4)]
    for one in callers:
        one.start()
    try:
        yield statuses
    finally:
        stop.set()
        for one in callers:
            one.join()


def test_under_load_no_request_fails(reloadable):
    run = reloadable()
    with under_load(run) as statuses:
        for i in range(20):
            run.change(client={"idle": f"{60 + i}s"})
            assert run.reload().returncode == 0
    assert set(statuses) == {200}


def test_no_request_ever_sees_half_of_a_reload(reloadable, make_upstream, tmp_path):
    """Two configurations, each with its own server and its own secret: neither server sees the other's."""
    run = reloadable(workers=2)
    servers = {"one": run.upstream, "two": make_upstream()}

    def change_to(name):
        (tmp_path / name).write_text(f"secret-{name}")
        run.change(upstream={"hosts": {"api.test:443": {"resolve": servers[name].address}}},
                   connections=[{"alias": "pod", "app": "http", "type": "BEARER", "config": {"hosts": ["api.test"]},
                                 "value": {"token": {"file": str(tmp_path / name)}}}])
        assert run.reload().returncode == 0

    change_to("one")
    with under_load(run, connection="pod") as statuses:
        for i in range(20):
            change_to(("two", "one")[i % 2])
    assert set(statuses) == {200}
    for name, server in servers.items():
        assert {r.fields.get("authorization") for r in server.requests} == {f"Bearer secret-{name}"}
