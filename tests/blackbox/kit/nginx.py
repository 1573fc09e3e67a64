"""nginx with TLS on a free loopback port."""
import os
import shutil
import socket
import subprocess

from . import until

HEAD = """
{user}
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log warn;
events {{ worker_connections 4096; }}
http {{
  access_log off; client_max_body_size 0; types {{ text/plain txt; }} default_type application/octet-stream;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  gzip on; gzip_types application/json; gzip_min_length 1;
  server {{
    listen 127.0.0.1:{port} ssl; server_name _; ssl_certificate {certificate}; ssl_certificate_key {key};
    {server}
  }}
}}
"""


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]


class Nginx:
    def __init__(self, folder, certificate, key, server):
        program = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
        assert program, "nginx is not installed: scripts/install test"
        folder.mkdir(parents=True, exist_ok=True)
        port = free_port()
        self.address = f"127.0.0.1:{port}"
        (folder / "nginx.conf").write_text(HEAD.format(
            folder=folder, port=port, certificate=certificate, key=key, server=server,
            user="user root;" if os.getuid() == 0 else ""))
        self.process = subprocess.Popen([program, "-p", str(folder), "-c", str(folder / "nginx.conf"),
                                         "-e", str(folder / "error.log")],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(self._listens, what="nginx listening")

    def _listens(self):
        assert self.process.poll() is None, "nginx ended"
        host, port = self.address.split(":")
        with socket.socket() as sock:
            return sock.connect_ex((host, int(port))) == 0

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
