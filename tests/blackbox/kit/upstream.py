"""A TLS server that records every byte of every request and answers as it is told."""
import socket
import ssl
import struct
import threading

from . import until
from .http1 import Ended, Reader


class Exchange:
    """What an answer may do with the connection it arrived on."""

    def __init__(self, sock):
        self.sock = sock
        self.reader = Reader(sock)
        self.ended = threading.Event()

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))

    def read_body(self, request):
        return self.reader.body(request, request=True)

    def close(self):
        """TLS close_notify, then FIN."""
        try:
            self.sock.settimeout(2)
            self.sock.unwrap()
        except (OSError, ValueError):
            pass
        self._end()

    def cut(self):
        """FIN without close_notify."""
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._end()

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._end()

    def wait_until_peer_leaves(self):
        try:
            while self.sock.recv(65536):
                pass
        except OSError:
            pass

    def _end(self):
        self.ended.set()
        self.sock.close()


def answer(body=b"", status="200 OK", *fields):
    body = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def hello(exchange, request):
    exchange.send(answer(b"hello", "200 OK", "Content-Type: text/plain"))


class Upstream:
    """`answer`: bytes, or a function (exchange, request). `lazy`: the answer reads the body itself."""

    def __init__(self, certificate, key, *, context=None):
        self.context = context or ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.address = "127.0.0.1:%d" % self._listener.getsockname()[1]
        self._open = set()
        self._lock = threading.Lock()
        self.stopped = False
        self.reset()
        threading.Thread(target=self._accept, daemon=True).start()

    def reset(self):
        self.answer, self.lazy = hello, False
        self.before_handshake = None  # a function called for every new connection; false: it is closed
        self.requests, self.accepted, self.handshakes = [], 0, 0
        self.server_names = []

    def stop(self):
        self.stopped = True
        try:
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread in accept(), which would take one more
        except OSError:
            pass
        self._listener.close()
        self.drop_connections()

    def drop_connections(self):
        """Cuts every open connection; the next request has to dial."""
        with self._lock:
            sockets, self._open = self._open, set()
        for sock in sockets:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()

    def last(self):
        until(lambda: self.requests, what="a request at the upstream")
        return self.requests[-1]

    def wait_for(self, count):
        until(lambda: len(self.requests) >= count, what=f"{count} requests at the upstream")
        return self.requests

    def _accept(self):
        while not self.stopped:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.before_handshake and not self.before_handshake():
            sock.close()
            return
        try:
            sock = self.context.wrap_socket(sock, server_side=True, suppress_ragged_eofs=True)
        except OSError:
            return
        self.handshakes += 1
        with self._lock:
            self._open.add(sock)
        exchange = Exchange(sock)
        try:
            while not exchange.ended.is_set():
                request = exchange.reader.head()
                request.exchange = exchange
                if not self.lazy:
                    exchange.read_body(request)
                self.requests.append(request)
                reply = self.answer
                if callable(reply):
                    reply(exchange, request)
                else:
                    exchange.send(reply)
        except (Ended, OSError, ValueError):
            pass
        finally:
            with self._lock:
                self._open.discard(sock)
            if not exchange.ended.is_set():
                sock.close()
