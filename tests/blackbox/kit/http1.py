"""HTTP/1.1 read byte by byte enough to see what really arrived, and sent exactly as written."""
import base64
import json
import socket


class Ended(Exception):
    """The peer closed before the message was complete."""


class Fields(list):
    """Field lines in order: a list of (name, value)."""

    def get(self, name, default=None):
        return next((v for n, v in self if n.lower() == name.lower()), default)

    def all(self, name):
        return [v for n, v in self if n.lower() == name.lower()]

    def __contains__(self, name):
        return bool(self.all(name))


class Message:
    def __init__(self, raw):
        self.raw = raw
        lines = raw.decode("latin-1").split("\r\n")
        self.start = lines[0]
        self.fields = Fields(tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:] if line)
        self.body = b""
        self.complete = False

    # of a request
    @property
    def method(self):
        return self.start.split(" ")[0]

    @property
    def target(self):
        return self.start.split(" ")[1]

    # of a response
    @property
    def status(self):
        return int(self.start.split(" ")[1])

    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        """The `code` of a problem of ours; None for anything else."""
        if not (self.fields.get("content-type") or "").startswith("application/problem+json"):
            return None
        return self.json().get("code")


class Reader:
    """A buffered reader of messages over a socket (plain or TLS)."""

    def __init__(self, sock):
        self.sock = sock
        self.buffer = b""
        self.received = 0

    def _more(self):
        try:
            data = self.sock.recv(65536)
        except (ConnectionError, socket.timeout, OSError) as error:
            raise Ended(repr(error)) from error
        if not data:
            raise Ended("closed")
        self.received += len(data)
        self.buffer += data

    def until(self, mark):
        while mark not in self.buffer:
            self._more()
        end = self.buffer.index(mark) + len(mark)
        data, self.buffer = self.buffer[:end], self.buffer[end:]
        return data

    def exactly(self, count):
        parts = []
        while count:
            if not self.buffer:
                self._more()
            part, self.buffer = self.buffer[:count], self.buffer[count:]
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def head(self):
        return Message(self.until(b"\r\n\r\n"))

    def body(self, message, *, request=False, method="GET"):
        """Reads the body into the message; `complete` says whether its framing ended properly."""
        coding = (message.fields.get("transfer-encoding") or "").lower()
        length = message.fields.get("content-length")
        try:
            if not request and (method == "HEAD" or message.status in (204, 304) or message.status < 200):
                pass
            elif not request and method == "CONNECT" and message.status < 300:
                pass  # what follows is the tunnel's
            elif coding:
                while size := int(self.until(b"\r\n").split(b";")[0], 16):
                    message.body += self.exactly(size)
                    assert self.exactly(2) == b"\r\n"
                while self.until(b"\r\n") != b"\r\n":
                    pass
            elif length is not None:
                self._count(message, int(length))
            elif not request:
                self._rest(message)
            message.complete = True
        except Ended as ended:
            message.ended = str(ended)
        return message

    def _count(self, message, length):
        try:
            while length:
                if not self.buffer:
                    self._more()
                part, self.buffer = self.buffer[:length], self.buffer[length:]
                message.body += part
                length -= len(part)
        except Ended:
            raise

    def _rest(self, message):
        while True:
            message.body += self.buffer
            self.buffer = b""
            try:
                self._more()
            except Ended as ended:
                if str(ended) == "closed":
                    return
                raise


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class Client:
    """One client connection to a port: raw bytes out, messages in."""

    def __init__(self, address, timeout=20):
        host, port = address.rsplit(":", 1)
        self.sock = socket.create_connection((host, int(port)), timeout=timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader = Reader(self.sock)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))

    def send_as_far_as_it_goes(self, data):
        """A refusal may close the connection under a sender; what was answered still counts."""
        try:
            self.send(data)
        except OSError:
            pass

    def head(self):
        return self.reader.head()

    def response(self, method="GET"):
        """The final response; interim ones are kept in its `interim`."""
        interim = []
        while True:
            message = self.head()
            if message.status >= 200 or message.status == 101:
                break
            interim.append(message)
        message.interim = interim
        return self.reader.body(message, method=method)

    def ending(self):
        """How the connection ended: 'closed' (FIN), 'reset', or 'data' if more bytes came instead."""
        if self.reader.buffer:
            return "data"
        try:
            data = self.sock.recv(1)
        except ConnectionError:
            return "reset"
        except socket.timeout:
            return "open"
        if data:
            self.reader.buffer += data
            return "data"
        return "closed"

    def is_closed(self):
        return self.ending() in ("closed", "reset")
