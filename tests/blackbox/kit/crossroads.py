"""One server that a browser reaches under every name: pages of ours are answered here, the rest goes on to the daemon.

It stands for the network of somebody who is attacked: `evil.test` is the attacker's site, a name whose address was
changed meanwhile leads to the daemon, and every exchange with the daemon is written down as it was.
"""
import http.client
import json
import shutil
import subprocess
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Crossroads:
    def __init__(self, pages, ports):
        """`pages`: text by path; `ports`: of the daemon, the only ones that are gone on to."""
        self.exchanges, self.reports, self._lock = [], {}, threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                path = self.path.partition("?")[0]
                if path in pages:
                    return self.give(200, {"Content-Type": "text/html"}, pages[path].encode())
                if path == "/report":
                    with outer._lock:
                        outer.reports.update(json.loads(body))
                    return self.give(204, {}, b"")
                host, _, port = self.headers["Host"].rpartition(":")
                if port not in ports:
                    return self.give(404, {}, b"")
                return self.go_on(int(port), body)

            def go_on(self, port, body):
                asked = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
                asked.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():
                    asked.putheader(name, value)
                asked.endheaders(body)
                got = asked.getresponse()
                content = got.read()
                with outer._lock:
                    outer.exchanges.append({"method": self.command, "target": self.path, "host": self.headers["Host"],
                                            "sent": dict(self.headers.items()), "status": got.status,
                                            "fields": got.getheaders(), "body": content})
                asked.close()
                self.give(got.status, {k: v for k, v in got.getheaders()
                                       if k.lower() not in ("content-length", "connection")}, content)

            def give(self, status, fields, body):
                self.send_response_only(status)
                for name, value in fields.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Connection", "close")
                self.close_connection = True
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_GET = do_POST = do_HEAD = do_OPTIONS = do_PUT = do_PATCH = do_DELETE = answer

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Chromium:
    """The browser, without a window, for which every name leads to one address."""

    def __init__(self, address):
        program = shutil.which("chromium")
        assert program, "chromium is needed: scripts/install test"
        self.folder = tempfile.TemporaryDirectory(prefix="postern-chromium-", ignore_cleanup_errors=True)
        self.command = [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
                        f"--user-data-dir={self.folder.name}", f"--host-resolver-rules=MAP * {address}",
                        "--no-proxy-server", "--disable-features=LocalNetworkAccessChecks,HttpsUpgrades",
                        "--disable-background-networking", "--disable-popup-blocking"]
        self.process = None

    def open(self, url):
        from .daemon import ends_with_us
        self.process = subprocess.Popen([*self.command, url], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, preexec_fn=ends_with_us)

    def close(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)
        self.folder.cleanup()
