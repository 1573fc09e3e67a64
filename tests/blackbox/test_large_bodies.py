"""A gibibyte either way, compared by hash, in flat memory. Nothing of it is ever stored."""
import hashlib
import os
import threading

from kit import until
from kit.upstream import answer

MIB = 1024 * 1024
TOTAL = 1024 * MIB
BLOCK = os.urandom(MIB - 8)
FLAT = 32 * MIB


def blocks():
    for number in range(TOTAL // MIB):
        yield number.to_bytes(8, "big") + BLOCK


def digest():
    whole = hashlib.sha256()
    for block in blocks():
        whole.update(block)
    return whole.hexdigest()


class Watch:
    """The daemon's largest resident size while a transfer runs."""

    def __init__(self, daemon):
        self.daemon, self.start, self.peak = daemon, daemon.rss(), 0
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._look, daemon=True)

    def _look(self):
        while not self.done.wait(0.02):
            self.peak = max(self.peak, self.daemon.rss())

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()
        self.growth = self.peak - self.start


def test_a_gibibyte_down(world):
    world.call()

    def send(exchange, _):
        exchange.send(f"HTTP/1.1 200 OK\r\nContent-Length: {TOTAL}\r\n\r\n")
        for block in blocks():
            exchange.send(block)

    world.upstream.answer = send
    got, left = hashlib.sha256(), TOTAL
    with Watch(world.daemon) as watch, world.client(timeout=60) as client:
        client.send(world.head())
        client.head()
        got.update(client.reader.buffer)
        left -= len(client.reader.buffer)
        buffer = bytearray(MIB)
        view = memoryview(buffer)
        while left:
            count = client.sock.recv_into(buffer, min(MIB, left))
            assert count, "cut"
            got.update(view[:count])
            left -= count
    assert got.hexdigest() == digest()
    assert watch.growth < FLAT, f"{watch.growth / MIB:.0f} MiB more"


def test_a_gibibyte_up_in_chunks(world):
    world.call()
    world.upstream.lazy = True
    result = []

    def receive(exchange, _):
        got = hashlib.sha256()
        reader = exchange.reader
        while size := int(reader.until(b"\r\n"), 16):
            while size:
                if not reader.buffer:
                    reader.buffer = exchange.sock.recv(MIB)
                    assert reader.buffer
                part, reader.buffer = reader.buffer[:size], reader.buffer[size:]
                got.update(part)
                size -= len(part)
            reader.exactly(2)
        reader.exactly(2)
        result.append(got.hexdigest())
        exchange.send(answer(b"thanks"))

    world.upstream.answer = receive
    with Watch(world.daemon) as watch, world.client(timeout=120) as client:
        client.send(world.head("PUT", fields=["Transfer-Encoding: chunked"]))
        for block in blocks():
            client.send(b"%x\r\n" % len(block) + block + b"\r\n")
        client.send(b"0\r\n\r\n")
        assert client.response().body == b"thanks"
    until(lambda: result)
    assert result[0] == digest()
    assert watch.growth < FLAT, f"{watch.growth / MIB:.0f} MiB more"
