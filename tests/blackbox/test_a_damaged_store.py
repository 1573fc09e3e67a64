"""A store that cannot be read any more: callers are told, and nothing is made up."""
import os
import secrets

from conftest import World, world_settings
from kit import row


@row("vault-unavailable")
def test_a_store_that_fails_under_a_running_daemon_is_503(make_daemon, make_upstream, ca):
    upstream = make_upstream()
    world = World(make_daemon(world_settings(upstream, ca)), upstream, ca)
    for number in range(1500):  # more than any cache of blocks holds
        world.daemon.connect(alias=f"filler{number}", value={"token": secrets.token_urlsafe(11_000)})
    assert world.daemon.stop() == 0
    world.daemon.start()  # what was in the log is now in tables
    tables = list((world.daemon.state / "vault").rglob("*.sst"))
    assert tables
    for table in tables:
        os.truncate(table, 0)
    response = world.call()
    assert (response.status, response.code) == (503, "vault-unavailable")
    assert "retry-after" in response.fields and response.fields.get("x-should-retry") == "true"
    assert not upstream.requests
