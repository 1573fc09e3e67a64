"""lighttpd with TLS on a free loopback port, whose folders ask for HTTP Digest (mod_auth)."""
import hashlib
import os
import shutil
import socket
import subprocess

from . import until
from .nginx import free_port

CONFIGURATION = """
server.modules = ("mod_openssl", "mod_auth", "mod_authn_file", "mod_cgi")
server.document-root = "{folder}/www"
server.bind = "127.0.0.1"
server.port = {port}
server.errorlog = "{folder}/error.log"
server.feature-flags = ("server.h2proto" => "disable")
ssl.engine = "enable"
ssl.pemfile = "{certificate}"
ssl.privkey = "{key}"
auth.backend = "htdigest"
auth.backend.htdigest.userfile = "{folder}/users"
auth.require = ({areas})
cgi.assign = (".cgi" => "/bin/sh")
"""
AREA = '"/{name}/" => ("method" => "digest", "algorithm" => "{algorithms}", "realm" => "{name}", "require" => "valid-user")'
# Says how it was called, by whom, and how much it was sent.
ECHO = """#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n%s %s %s' "$REQUEST_METHOD" "$REMOTE_USER" "$(wc -c)"
"""


class Lighttpd:
    """`areas`: name -> algorithms ("SHA-256|MD5"); each has the realm of its name and answers at /<name>/echo.cgi."""

    def __init__(self, folder, certificate, key, user, password, areas):
        program = shutil.which("lighttpd", path=os.environ.get("PATH", "") + ":/usr/sbin")
        assert program, "lighttpd is not installed: scripts/install test"
        self.folder, self.process = folder, None
        self.program, self.user, self.areas = program, user, areas
        port = free_port()
        self.address = f"127.0.0.1:{port}"
        for name in areas:
            (folder / "www" / name).mkdir(parents=True)
            (folder / "www" / name / "echo.cgi").write_text(ECHO)
        self.set_password(password)
        (folder / "lighttpd.conf").write_text(CONFIGURATION.format(
            folder=folder, port=port, certificate=certificate, key=key,
            areas=", ".join(AREA.format(name=name, algorithms=algorithms) for name, algorithms in areas.items())))
        self.start()

    def set_password(self, password):
        lines = []
        for realm in self.areas:
            secret = f"{self.user}:{realm}:{password}".encode()
            lines += [f"{self.user}:{realm}:{digest(secret).hexdigest()}\n" for digest in (hashlib.md5, hashlib.sha256)]
        (self.folder / "users").write_text("".join(lines))

    def start(self):
        self.process = subprocess.Popen([self.program, "-D", "-f", str(self.folder / "lighttpd.conf")],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(self._listens, what="lighttpd listening")

    def _listens(self):
        assert self.process.poll() is None, "lighttpd ended"
        host, port = self.address.split(":")
        with socket.socket() as sock:
            return sock.connect_ex((host, int(port))) == 0

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
