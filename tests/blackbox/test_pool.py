"""Upstream connections are reused, but only when there is no doubt about them."""
import pytest
from kit import row, until
from kit.upstream import answer


@pytest.fixture(autouse=True)
def fresh(world):
    """No pooled connection of the test before is alive: a pooled socket is looked at when it is leased."""
    world.upstream.drop_connections()
    world.upstream.reset()


def metric(world, name):
    text = world.daemon.api("GET", "/metrics").body.decode()
    lines = [line for line in text.splitlines() if name in line and not line.startswith("#")]
    assert lines, f"no metric {name} in {text}"
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


def test_one_connection_carries_many_requests(world):
    for _ in range(5):
        assert world.call().status == 200
    assert (len(world.upstream.requests), world.upstream.accepted) == (5, 1)


def test_a_connection_the_service_wants_closed_is_not_reused(world):
    world.upstream.answer = answer(b"bye", "200 OK", "Connection: close")
    for _ in range(3):
        assert world.call().body == b"bye"
    assert world.upstream.accepted == 3


def test_a_1_0_answer_is_not_reused(world):
    world.upstream.answer = b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi"
    for _ in range(2):
        assert world.call().body == b"hi"
    assert world.upstream.accepted == 2


@row("wire:surplus-bytes")
def test_surplus_bytes_after_an_answer_poison_no_other(world):
    evil = answer(b"evil")
    world.upstream.answer = lambda exchange, request: exchange.send(
        answer(b"first") + (evil if request.target == "/first" else b""))
    assert world.call(path="/first").body == b"first"
    world.upstream.answer = answer(b"second")
    assert world.call(path="/second").body == b"second"
    assert world.upstream.accepted == 2


@row("wire:surplus-bytes")
def test_bytes_on_an_idle_connection_discard_it(world):
    exchanges = []

    def keep(exchange, _):
        exchanges.append(exchange)
        exchange.send(answer(b"ok"))

    world.upstream.answer = keep
    assert world.call().body == b"ok"
    exchanges[0].send(answer(b"evil"))
    for _ in range(3):
        assert world.call().body == b"ok"
    assert exchanges[1] is not exchanges[0]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_connection_that_died_in_the_pool_costs_no_error(world, method):
    assert world.call().status == 200
    world.upstream.drop_connections()
    assert world.call(method, body=b"x" if method == "POST" else None).status == 200


def test_a_pooled_connection_that_dies_under_an_idempotent_request_is_retried_once(world):
    assert world.call(path="/warm").status == 200
    died = []

    def dies_once(exchange, request):
        if not died:
            died.append(exchange)
            exchange.reset()
        else:
            exchange.send(answer(b"second try"))

    world.upstream.answer = dies_once
    assert world.call(path="/again").body == b"second try"
    assert [r.target for r in world.upstream.requests] == ["/warm", "/again", "/again"]


def test_a_post_that_may_have_been_carried_out_is_never_retried(world):
    assert world.call(path="/warm").status == 200
    world.upstream.answer = lambda exchange, _: exchange.reset()
    response = world.call("POST", "/once", body=b"x")
    assert (response.status, response.code) == (502, "upstream-closed")
    assert [r.target for r in world.upstream.requests] == ["/warm", "/once"]


def test_an_answer_not_read_to_its_end_is_not_reused(world):
    world.upstream.answer = answer(b"x" * 5_000_000)
    client = world.client()
    client.send(world.head())
    client.head()
    client.close()
    until(lambda: metric(world, "postern_open_client_connections") == 0, what="the caller's end being seen")
    world.upstream.answer = answer(b"ok")
    assert world.call().body == b"ok"
    assert world.upstream.accepted == 2


def test_parallel_requests_use_parallel_connections(world):
    def later(exchange, request):
        until(lambda: len(world.upstream.requests) >= 4)
        exchange.send(answer(request.target))

    world.upstream.answer = later
    clients = [world.client() for _ in range(4)]
    for number, client in enumerate(clients):
        client.send(world.head(path=f"/{number}"))
    assert [client.response().body for client in clients] == [b"/0", b"/1", b"/2", b"/3"]
    assert world.upstream.accepted == 4
