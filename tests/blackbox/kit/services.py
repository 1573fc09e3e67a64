"""What the clients of the matrix call: one TLS server that is every service, with just enough of each for its SDK.

A stream is sent in two parts. The second is sent when `more` is set, which a test does once the client has printed the
first: so a part that is held back anywhere is never followed by another.
"""
import hashlib
import json
import subprocess
import threading
from pathlib import Path

from .upstream import Upstream, answer

HOSTS = ["api.test", "git.test", "api.stripe.com", "files.stripe.com", "api.github.com", "uploads.github.com", "slack.com",
         "files.slack.com", "api.openai.com", "s3.us-east-1.amazonaws.com"]
FIRST, SECOND = "first-part", "second-part"


def chunk(data):
    data = data if isinstance(data, bytes) else data.encode()
    return b"%x\r\n%s\r\n" % (len(data), data)


def json_answer(value, status="200 OK"):
    return answer(json.dumps(value), status, "Content-Type: application/json")


def from_chunked_aws(body):
    """The content of an aws-chunked body."""
    content = b""
    while body:
        head, body = body.split(b"\r\n", 1)
        size = int(head.split(b";")[0], 16)
        if size == 0:
            break
        content, body = content + body[:size], body[size + 2:]
    return content


class Services(Upstream):
    def __init__(self, certificate, key, repositories):
        self.repositories = Path(repositories)
        self.more = threading.Event()
        super().__init__(certificate, key)

    def reset(self):
        super().reset()
        self.answer = self._serve_service
        self.more.clear()
        self.uploads = []  # SHA-256 of what was uploaded

    def _serve_service(self, exchange, request):
        host = request.fields.get("host").split(":")[0]
        path = request.target.split("?")[0]
        if host == "git.test":
            return self._git(exchange, request)
        if "stream" in request.target or path.endswith("/pdf") or "/tarball/" in path:
            return self._stream(exchange, "application/octet-stream", [FIRST, SECOND])
        if host == "api.openai.com" and path.endswith("/chat/completions"):
            if json.loads(request.body).get("stream"):
                return self._stream(exchange, "text/event-stream", [self._event(FIRST), self._event(SECOND) + "data: [DONE]\n\n"])
        if host == "s3.us-east-1.amazonaws.com":
            return exchange.send(self._s3(request))
        if request.method in ("POST", "PUT") and len(request.body) > 100_000:
            self.uploads.append(request.body)
        return exchange.send(self._known(host, path, request))

    def uploaded(self):
        """The whole body of the one upload."""
        assert len(self.uploads) == 1, f"{len(self.uploads)} uploads"
        return self.uploads[0]

    def _known(self, host, path, request):
        known = {
            ("api.test", "/v1/hello"): answer("hello", "200 OK", "Content-Type: text/plain"),
            ("api.stripe.com", "/v1/customers/cus_1"): json_answer({"id": "cus_1", "object": "customer", "name": "hello"}),
            ("files.stripe.com", "/v1/files"): json_answer({"id": "file_1", "object": "file"}),
            ("api.github.com", "/user"): json_answer({"login": "hello"}),
            ("api.github.com", "/repos/o/r/git/blobs"): json_answer({"sha": "0"}, "201 Created"),
            ("slack.com", "/api/auth.test"): json_answer({"ok": True, "user": "hello"}),
            ("slack.com", "/api/chat.postMessage"): json_answer({"ok": True, "ts": "1"}),
            ("api.openai.com", "/v1/models/m"): json_answer({"id": "hello", "object": "model"}),
            ("api.openai.com", "/v1/files"): json_answer({"id": "file-1", "object": "file"}),
        }
        if host == "api.test" and request.method in ("POST", "PUT"):
            return answer(hashlib.sha256(request.body).hexdigest())
        return known.get((host, path)) or json_answer({"error": f"the kit knows no {host}{path}"}, "404 Not Found")

    @staticmethod
    def _event(text):
        return "data: " + json.dumps({"id": "c", "object": "chat.completion.chunk", "choices": [
            {"index": 0, "delta": {"content": text}}]}) + "\n\n"

    def _stream(self, exchange, kind, parts):
        exchange.send(f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n")
        exchange.send(chunk(parts[0]))
        assert self.more.wait(60), "nobody has seen the first part"
        exchange.send(chunk(parts[1]) + b"0\r\n\r\n")

    def _s3(self, request):
        if request.method == "PUT":
            coded = "aws-chunked" in (request.fields.get("content-encoding") or "") or "x-amz-decoded-content-length" in request.fields
            self.uploads.append(from_chunked_aws(request.body) if coded else request.body)
            return answer("", "200 OK", 'ETag: "0"')
        return answer('<?xml version="1.0"?><ListAllMyBucketsResult><Owner><ID>o</ID></Owner><Buckets><Bucket><Name>hello</Name>'
                      '<CreationDate>2026-01-01T00:00:00.000Z</CreationDate></Bucket></Buckets></ListAllMyBucketsResult>',
                      "200 OK", "Content-Type: application/xml")

    def _git(self, exchange, request):
        """git's own CGI program; its answer is passed on as it comes."""
        path, _, query = request.target.partition("?")
        environment = {"GIT_PROJECT_ROOT": str(self.repositories), "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path,
                       "QUERY_STRING": query, "REQUEST_METHOD": request.method, "REMOTE_USER": "test", "REMOTE_ADDR": "127.0.0.1",
                       "CONTENT_TYPE": request.fields.get("content-type") or "", "PATH": "/usr/bin:/bin",
                       "CONTENT_LENGTH": str(len(request.body)), "HTTP_CONTENT_ENCODING": request.fields.get("content-encoding") or "",
                       "GIT_PROTOCOL": request.fields.get("git-protocol") or "", "HOME": str(self.repositories)}
        with subprocess.Popen(["git", "http-backend"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as cgi:
            threading.Thread(target=lambda: (cgi.stdin.write(request.body), cgi.stdin.close()), daemon=True).start()
            fields, status = [], "200 OK"
            while line := cgi.stdout.readline().rstrip(b"\r\n"):
                name, value = line.decode().split(": ", 1)
                if name == "Status":
                    status = value
                else:
                    fields.append(f"{name}: {value}\r\n")
            exchange.send(f"HTTP/1.1 {status}\r\nTransfer-Encoding: chunked\r\n{''.join(fields)}\r\n")
            while data := cgi.stdout.read1(65536):
                exchange.send(chunk(data))
            exchange.send(b"0\r\n\r\n")
