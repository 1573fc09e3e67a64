"""Everything a side-by-side run needs: an authority, a TLS service, postern with a filled vault, and its peers.

All on 127.0.0.1, on free ports. The proxy under test has one core to itself, load and service share the other.
"""
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

SMALL = 1024
BIG = 10 * 1024 * 1024
IDS = 1000


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def secret_of(number):
    return "sk-live-" + hashlib.sha256(b"%d" % number).hexdigest()[:48]


def tree(pid):
    """A process and all below it."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            for child in task.read_text().split():
                found += tree(int(child))
        except OSError:
            pass
    return found


def memory(pid, key):
    """KiB of one line of smaps_rollup (Rss, Private_Dirty …), over the whole tree."""
    total = 0
    for one in tree(pid):
        try:
            for line in open(f"/proc/{one}/smaps_rollup", encoding="ascii"):
                if line.startswith(key + ":"):
                    total += int(line.split()[1])
        except OSError:
            pass
    return total


def private(pid):
    return memory(pid, "Private_Clean") + memory(pid, "Private_Dirty")


class World:
    def __init__(self, folder, programs, pinned=True):
        self.folder = Path(folder)
        self.programs = Path(programs)
        self.pinned = pinned and os.cpu_count() > 1
        self.children = []
        self.service_port = free_port()
        for name in ("pki", "conf", "run"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self.environment = {k: v for k, v in os.environ.items() if "proxy" not in k.lower() and not k.startswith("SSL_")}
        self.make_authority()
        body = json.dumps({"id": "obj_1", "items": [{"k": "v%02d" % i, "n": i} for i in range(60)]})
        (self.folder / "conf/small.json").write_text((body + " " * SMALL)[:SMALL])

    def __enter__(self):
        self.service = self.start([self.programs / "bench_service", self.service_port, self.folder], "service", cpu=0)
        self.wait_port(self.service_port)
        return self

    def __exit__(self, *_):
        for child in list(self.children):
            self.stop(child)

    def make_authority(self):
        pki = self.folder / "pki"
        if (pki / "up.pem").exists():
            return

        def openssl(*arguments):
            subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, cwd=pki)

        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        openssl("req", "-x509", *key, "-days", 30, "-subj", "/CN=bench CA", "-keyout", "ca.key", "-out", "ca.pem")
        openssl("req", *key, "-subj", "/CN=upstream.test", "-keyout", "up.key", "-out", "up.csr")
        (pki / "ext").write_text("subjectAltName=DNS:upstream.test,IP:127.0.0.1\n")
        openssl("x509", "-req", "-in", "up.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", 30,
                "-extfile", "ext", "-out", "up.pem")

    # --- processes ---

    def start(self, command, name, cpu=1, **options):
        command = [str(part) for part in command]
        if self.pinned:
            command = ["taskset", "-c", str(cpu), *command]
        log = open(self.folder / f"run/{name}.log", "w", encoding="utf-8")
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                                 env=self.environment, start_new_session=True, **options)
        log.close()
        child.log = self.folder / f"run/{name}.log"
        self.children.append(child)
        return child

    def stop(self, child):
        if child in self.children:
            self.children.remove(child)
        if child.poll() is not None:
            return
        everyone = tree(child.pid)
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(8)
        except subprocess.TimeoutExpired:
            for one in everyone:
                try:
                    os.kill(one, signal.SIGKILL)
                except OSError:
                    pass
            child.wait(4)

    @staticmethod
    def wait_port(port, seconds=30):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.002)
        raise SystemExit(f"nothing listens on port {port}; see the logs of the run")

    # --- the contenders ---

    def postern(self, name, count=IDS, settings=""):
        """A vault of so many connections, filled once, and how to run it."""
        home = self.folder / name
        binary = self.programs / "postern"
        port, health = free_port(), free_port()
        config = home / "postern.yaml"
        home.mkdir(parents=True, exist_ok=True)
        config.write_text(f"""\
listen: {{proxy: "127.0.0.1:{port}", admin: "127.0.0.1:{free_port()}", health: "127.0.0.1:{health}"}}
state: ./state
vault: {{key: {{file: ./key/master.key}}}}
upstream:
  hosts:
    "upstream.test:443": {{resolve: "127.0.0.1:{self.service_port}", trust: {self.folder}/pki/ca.pem}}
{settings}""")
        token = home / "token"
        if not token.exists():
            for part in ("state", "key"):  # of a run that was ended in the middle of this
                shutil.rmtree(home / part, ignore_errors=True)
            subprocess.run([binary, "--config", config, "init"], check=True, capture_output=True, env=self.environment)
            filled = subprocess.run([self.programs / "fill_vault", home / "state", home / "key/master.key",
                                     "upstream.test", str(count)], check=True, capture_output=True, text=True)
            token.write_text(filled.stdout)
        return {"name": name, "port": port, "health": health, "command": [binary, "--config", config, "run"],
                "header": f"Proxy-Authorization: Bearer {token.read_text().strip()}"}

    def relay(self):
        port = free_port()
        command = [self.programs / "bench_relay", port, self.service_port, self.folder / "pki/ca.pem"]
        return {"name": "relay", "port": port, "command": command, "header": ""}

    def nginx(self):
        port, run = free_port(), self.folder / "run"
        rows = "".join(f'"conn_{i:06d}" "Bearer {secret_of(i)}";\n' for i in range(IDS))
        (self.folder / "conf/nginx.map").write_text(rows)
        temporary = " ".join(f"{kind}_temp_path {run}/nginx_{kind};"
                             for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        user = "user root;" if os.getuid() == 0 else ""
        (self.folder / "conf/nginx.conf").write_text(f"""\
{user} worker_processes 1; daemon off; pid {run}/nginx.pid; error_log {run}/nginx.err warn; worker_rlimit_nofile 19000;
events {{ worker_connections 16384; multi_accept off; }}
http {{ access_log off; keepalive_timeout 3600s; keepalive_requests 1000000000; client_max_body_size 0; tcp_nodelay on;
 server_tokens off; {temporary}
 map_hash_max_size 262144; map_hash_bucket_size 256;
 map $http_x_connection_id $credential {{ include {self.folder}/conf/nginx.map; }}
 upstream up {{ server 127.0.0.1:{self.service_port}; keepalive 1024; keepalive_requests 1000000000;
  keepalive_timeout 3600s; }}
 server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ proxy_pass https://up; proxy_http_version 1.1;
  proxy_set_header Connection ""; proxy_set_header Host $host; proxy_set_header Authorization $credential;
  proxy_set_header X-Connection-Id ""; proxy_ssl_verify on; proxy_ssl_trusted_certificate {self.folder}/pki/ca.pem;
  proxy_ssl_name upstream.test; proxy_ssl_server_name on; proxy_ssl_protocols TLSv1.3; proxy_ssl_session_reuse on;
  proxy_request_buffering off; proxy_max_temp_file_size 0; proxy_buffers 8 16k; proxy_buffer_size 16k; }} }} }}
""")
        return {"name": "nginx", "port": port, "command": ["nginx", "-c", self.folder / "conf/nginx.conf"], "header": ""}

    def haproxy(self):
        port = free_port()
        rows = "".join(f"conn_{i:06d} Bearer {secret_of(i)}\n" for i in range(IDS))
        (self.folder / "conf/haproxy.map").write_text(rows)
        (self.folder / "conf/haproxy.cfg").write_text(f"""\
global
  nbthread 1
  maxconn 8000
  tune.ssl.cachesize 1000
  ssl-server-verify required
  tune.pool-high-fd-ratio 80
defaults
  mode http
  timeout connect 5s
  timeout client 3600s
  timeout server 3600s
  timeout http-keep-alive 3600s
  option http-keep-alive
frontend f
  bind 127.0.0.1:{port} backlog 4096
  http-request set-header Authorization "%[req.hdr(x-connection-id),map_str({self.folder}/conf/haproxy.map)]"
  http-request del-header X-Connection-Id
  http-request set-uri %[pathq]
  default_backend b
backend b
  http-reuse always
  server s1 127.0.0.1:{self.service_port} ssl verify required ca-file {self.folder}/pki/ca.pem sni str(upstream.test) \
verifyhost upstream.test ssl-min-ver TLSv1.3 pool-max-conn 4096 pool-purge-delay 3600s
""")
        command = ["haproxy", "-f", self.folder / "conf/haproxy.cfg"]
        return {"name": "haproxy", "port": port, "command": command, "header": ""}

    # --- talking to them ---

    @staticmethod
    def ask(connection, number, header, path="/small"):
        """One request on an open socket; its answer's status line and body."""
        extra = header + "\r\n" if header else ""
        connection.sendall((f"GET http://upstream.test{path} HTTP/1.1\r\nHost: upstream.test\r\n"
                            f"X-Connection-Id: conn_{number:06d}\r\n{extra}\r\n").encode())
        received = b""
        while b"\r\n\r\n" not in received:
            part = connection.recv(65536)
            if not part:
                raise OSError("closed in the middle of a head")
            received += part
        head, body = received.split(b"\r\n\r\n", 1)
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        while len(body) < length:
            part = connection.recv(65536)
            if not part:
                raise OSError("closed in the middle of a body")
            body += part
        return head.split(b"\r\n")[0], body

    def serve(self, contender):
        """Starts it and returns when it has answered as it should."""
        contender["process"] = self.start(contender["command"], contender["name"])
        self.wait_port(contender["port"])
        with socket.create_connection(("127.0.0.1", contender["port"]), 10) as s:
            status, body = self.ask(s, 7, contender["header"])
        if b" 200 " not in status or len(body) != SMALL:
            raise SystemExit(f"{contender['name']} answers {status!r}")
        return contender["process"]

    def authority_of(self, contender):
        """The certificate of its local CA, which is made if there is none."""
        def ca(*verb):
            command = [str(part) for part in (*contender["command"][:3], "ca", *verb)]
            return subprocess.run(command, capture_output=True, text=True, env=self.environment)

        if ca("show").returncode != 0:
            made = ca("create")
            if made.returncode != 0:
                raise SystemExit(made.stderr)
        pem = self.folder / contender["name"] / "authority.pem"
        pem.write_text(ca("export").stdout)
        return pem

    def metrics(self, contender):
        with socket.create_connection(("127.0.0.1", contender["health"]), 10) as s:
            s.sendall(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            text = b""
            while part := s.recv(65536):
                text += part
        values = {}
        for line in text.decode().splitlines():
            name, _, value = line.rpartition(" ")
            if line.startswith("postern_"):
                values[name] = float(value)
        return values

    def load(self, contender, *arguments, seconds=1.0, warm=0.3):
        """One cell of load; what the generator counted, with the CPU of the proxy and of everybody else."""
        pids = ",".join(map(str, tree(contender["process"].pid)))
        command = [self.programs / "bench_load", "-p", contender["port"], "-d", seconds, "-w", warm, "-K", pids,
                   "-U", ",".join(map(str, tree(self.service.pid))), *arguments]
        if contender["header"]:
            command += ["-x", contender["header"]]
        command = [str(part) for part in command]
        if self.pinned:
            command = ["taskset", "-c", "0", *command]
        busy, began = busy_seconds(), time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + warm + 60, check=True)
        wall, busy = time.monotonic() - began, busy_seconds() - busy
        cell = json.loads(done.stdout)
        ours = (cell["pcpu"] + cell["ucpu"] + cell["ccpu"]) * wall / max(cell["el"], 0.01)
        cell["foreign"] = round((busy - ours) / wall, 3)
        cell["us_per_request"] = 1e6 * cell["pcpu"] / max(cell["req"], 1)
        cell["ms_per_mb"] = 1e3 * cell["pcpu"] / max(cell["mbps"] * cell["el"], 1e-9)
        return cell


def busy_seconds():
    with open("/proc/stat", encoding="ascii") as stat:
        v = list(map(int, stat.readline().split()[1:]))
    return (v[0] + v[1] + v[2] + v[5] + v[6] + v[7]) / os.sysconf("SC_CLK_TCK")
