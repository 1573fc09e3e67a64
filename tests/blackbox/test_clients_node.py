"""Node's clients without a tunnel, the core module, and many calls at once; each client as it comes: test_client_matrix.py."""
import json
import os
import subprocess
from pathlib import Path

import pytest
from kit import SECRET


@pytest.fixture
def call(world):
    modules = os.environ.get("POSTERN_NODE_MODULES", "")
    assert os.path.isdir(modules), "POSTERN_NODE_MODULES must name the installed modules; scripts/test does it"

    def run(client):
        result = subprocess.run(
            ["node", str(Path(__file__).parent / "node" / "calls.js"), client, world.daemon.proxy, "api", world.token],
            capture_output=True, text=True, timeout=60, env={"PATH": os.environ["PATH"], "NODE_PATH": modules})
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    return run


@pytest.mark.parametrize("client", ["undici_fetch", "undici_tunnel", "core"])
def test_a_client_gets_the_answer_and_the_service_the_secret(world, call, client):
    assert call(client) == {"status": 200, "body": "hello"}
    seen = world.upstream.last()
    assert seen.fields.all("authorization") == [f"Bearer {SECRET}"]
    assert seen.body in (b"", b"from undici")


def test_forty_at_once(world, call):
    assert call("undici_many") == {"status": 200, "body": "40"}
    assert sorted(int(r.target[1:]) for r in world.upstream.requests) == list(range(40))
