"""/metrics: text that Prometheus can read, numbers that move, and no name of anything private."""
import re
import shutil
import subprocess

from kit import until
from kit.nginx import free_port

SAMPLE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{([a-zA-Z_][a-zA-Z0-9_]*="([^"\\\n]|\\.)*",?)*\})? '
                    r'(-?[0-9.e+-]+|NaN|[+-]Inf)$')


def page(world, **options):
    answer = world.daemon.api("GET", "/metrics", **options)
    assert answer.status == 200
    return answer


def test_every_line_is_prometheus_text(world):
    world.call()
    answer = page(world)
    assert answer.fields["Content-Type"].startswith("text/plain; version=0.0.4")
    helped, typed = set(), set()
    for line in answer.body.decode().splitlines():
        if line.startswith("# HELP "):
            helped.add(line.split(" ")[2])
        elif line.startswith("# TYPE "):
            name, kind = line.split(" ")[2:4]
            assert kind in ("counter", "gauge", "histogram", "summary") and name not in typed
            typed.add(name)
        elif line:
            match = SAMPLE.match(line)
            assert match, line
            name = match[1]
            family = name if name in typed else re.sub(r"_(bucket|sum|count)$", "", name)
            assert family in typed and family in helped, line
            assert name.startswith(("postern_", "process_")), line
    assert typed
    if promtool := shutil.which("promtool"):
        checked = subprocess.run([promtool, "check", "metrics"], input=answer.body, capture_output=True)
        assert checked.returncode == 0, checked.stdout + checked.stderr


def total(world, word):
    lines = [line for line in page(world).body.decode().splitlines() if word in line and not line.startswith("#")]
    assert lines, f"no metric {word}"
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


def test_requests_are_counted(world):
    before = total(world, "postern_request_seconds_count")
    for _ in range(3):
        world.call()
    world.call(connection="nobody")
    until(lambda: total(world, "postern_request_seconds_count") >= before + 4, what="the count")


def test_they_need_a_token_on_the_admin_port(world):
    assert world.daemon.api("GET", "/metrics", token=False).status == 401
    weak = world.daemon.token(capabilities=["proxy:call"])
    assert world.daemon.api("GET", "/metrics", token=weak).status == 403
    reader = world.daemon.token(capabilities=["metrics:read"])
    assert page(world, token=reader)


def test_no_connection_token_or_host_is_a_label(world):
    world.call()
    text = page(world).body.decode()
    for word in (world.connection["id"], "api.test", world.token[:16], 'alias'):
        assert word not in text


def test_probes_need_no_token(world):
    for path in ("/livez", "/readyz", "/startupz"):
        assert world.daemon.api("GET", path, token=False).status == 200


def test_the_health_listener_serves_probes_and_metrics_only(make_daemon):
    health = f"127.0.0.1:{free_port()}"
    daemon = make_daemon({"listen": {"health": health}}).init().start()
    daemon.admin = health
    for path in ("/livez", "/readyz", "/startupz", "/metrics"):
        assert daemon.api("GET", path, token=False).status == 200, path
    assert daemon.api("GET", "/api/v1/connections", health=True).status == 404
