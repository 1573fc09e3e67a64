"""The client matrix: which clients, how each is run, and where a cell is not what one would expect, why.

The rows here are the rows of README.md's table, which `--write` makes and `--check` compares; `--missing` names the rows that
cannot run on this machine. The test is test_client_matrix.py.
"""
import dataclasses
import functools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
README = HERE.parent.parent / "README.md"
ABSENT = "–"
XML = "the SDK reads errors as XML and shows the status alone; `postern explain` and the log tell the rest"
TUNNEL = ("status", "Node's fetch tunnels `http://` too, and of a refused tunnel it shows the status alone; what is refused inside one is shown whole")
SILENT = ("no", "of a refused tunnel, which Node's fetch asks for on `http://` too, the SDK says no more than that the call was cancelled or failed; "
                "what is refused inside one is shown whole")
STATUS = ("status", "the client prints the status alone; `postern explain` and the log tell the rest")
BEGIN, END = "<!-- clients: scripts/clients -->", "<!-- /clients -->"
COLUMNS = {
    "plain": "`http://`",
    "https": "`https://`",
    "base": "base URL",
    "upload": "upload",
    "stream": "stream",
    "error": "error shown",
    "refused": "tunnel refused",
}


@dataclasses.dataclass(frozen=True)
class Row:
    name: str
    connection: str  # the alias; the one with `off-` before it is disabled
    commands: dict  # column → shell command; "" is every other column
    recipe: tuple  # two lines
    needs: tuple = ()  # programs that have to be there
    module: str = ""  # of Python's
    package: str = ""  # of Node's
    build: str = ""  # a shell command that is run once
    reasons: dict = dataclasses.field(default_factory=dict)  # column → what stands there instead of "yes", and why; "–" is not run
    shows: str = "connection-revoked"  # what of a refusal is seen
    shows_of_tunnel: str = "tunnel-not-supported"  # and of a refused CONNECT
    version: str = ""  # a shell command; of a package its package.json tells

    def command(self, column):
        return self.commands.get(column, self.commands.get(""))

    @property
    def columns(self):
        return [column for column in COLUMNS if self.reasons.get(column, "")[:1] != (ABSENT,)]

    def its_version(self):
        if self.package:
            return json.loads((node_modules() / self.package / "package.json").read_text())["version"]
        return subprocess.run(["sh", "-c", self.version], capture_output=True, text=True, check=True).stdout.strip()

    def missing(self):
        """What it lacks to run here, or None."""
        for program in self.needs:
            if not shutil.which(program):
                return program
        if self.module and subprocess.run(["/usr/bin/python3", "-c", f"import {self.module}"], capture_output=True).returncode:
            return f"python3-{self.module}"
        if self.package and not (node_modules() / self.package).is_dir():
            return f"npm's {self.package}"
        return None


def node_modules():
    return Path(os.environ.get("POSTERN_NODE_MODULES") or HERE.parent.parent / "build/node/node_modules")


def python(name, recipe, **more):
    return Row(name, commands={"": f'/usr/bin/python3 -B "$CLIENTS/client.py" {name} $COLUMN'}, recipe=recipe,
               version={"urllib": "/usr/bin/python3 -V | cut -d' ' -f2"}.get(name, f"/usr/bin/python3 -c 'import {name}; print({name}.__version__)'"),
               module=name if name != "urllib" else "", **{"connection": "api", **more})


def node(name, package, recipe, **more):
    return Row(name, commands={"": f'node "$NODE/matrix.mjs" "{name}" $COLUMN'}, recipe=recipe, needs=("node",), package=package,
               **{"connection": "api", **more})


GIT = "git -c init.defaultBranch=main -c protocol.version=2"
ROWS = [
    Row("curl", "api", {
        "plain": "curl -sS http://api.test/v1/hello",
        "https": "curl -sS https://api.test/v1/hello",
        "base": 'curl -sS -H "Authorization: Bearer $API_KEY" "$BASE_URL/v1/hello"',
        "upload": 'curl -sS -T "$PAYLOAD" http://api.test/upload',
        "stream": "curl -sSN http://api.test/stream",
        "error": "curl -sS --fail-with-body http://api.test/v1/hello",
        "refused": "curl -sS --fail-with-body https://api.test/v1/hello",
    }, ("`postern exec -c stripe -- curl http://api.stripe.com/v1/balance`",
        "`--fail-with-body` lets a refusal end with exit code 22 and still be read"), needs=("curl",),
        shows_of_tunnel="403", reasons={"refused": STATUS}, version="curl -V | head -n 1 | cut -d' ' -f2"),
    Row("wget", "api", {
        "plain": "wget -qO- http://api.test/v1/hello",
        "https": 'wget --ca-certificate="$SSL_CERT_FILE" -qO- https://api.test/v1/hello',  # its GnuTLS reads no variable
        "base": 'wget -qO- --header "Authorization: Bearer $API_KEY" "$BASE_URL/v1/hello"',
        "upload": 'wget -qO- --method=PUT --body-file="$PAYLOAD" http://api.test/upload',
        "stream": "wget -qO- http://api.test/stream",
        "error": "wget -nv -O- http://api.test/v1/hello",
        "refused": "wget -nv -O- https://api.test/v1/hello",
    }, ("`postern exec -c stripe -- wget -qO- http://api.stripe.com/v1/balance`",
        "`--content-on-error` prints what postern says; `https://` needs `--ca-certificate=\"$SSL_CERT_FILE\"`: Debian's reads no variable"), needs=("wget",),
        version="wget -V | head -n 1 | cut -d' ' -f3"),
    Row("git", "git", {
        "plain": f"{GIT} clone -q http://git.test/repo.git clone && cat clone/hello",
        "https": f"{GIT} clone -q https://git.test/repo.git clone && cat clone/hello",
        "base": f'{GIT} -c "http.extraHeader=Authorization: Bearer $API_KEY" clone -q "$BASE_URL/repo.git" clone && cat clone/hello',
        "upload": f'{GIT} clone -q http://git.test/repo.git clone && cp "$PAYLOAD" clone/payload && cd clone && git add payload && '
                  "git commit -qm upload && git push -q origin HEAD:refs/heads/upload",
        "stream": f"{GIT} clone -q http://git.test/repo.git clone && cd clone && git commit -q --allow-empty -m stream && "
                  "git push origin HEAD:refs/heads/stream 2>&1",
        "error": f"{GIT} clone http://git.test/repo.git clone",
        "refused": f"{GIT} clone https://git.test/repo.git clone",
    }, ("`postern exec -c git -- git clone http://git.example.com/me/repo.git`; pushing is the same, and nothing is asked for",
        "`git` is a connection of `--app http`; github.com wants `--type BASIC`, the user `x-access-token` and the token as password"),
        needs=("git",), shows="403", shows_of_tunnel="403", reasons={"error": STATUS, "refused": STATUS},
        version="git --version | cut -d' ' -f3"),
    python("urllib", ("`postern exec -c stripe -- python3 job.py`; nothing to change in it",
                      "`HTTPError.read()` holds what postern says, its message the code")),
    python("requests", ("`postern exec -c stripe -- python3 job.py`; nothing to change in it",
                        "`session.trust_env = False` switches the proxy off: leave it out")),
    python("boto3", ("`postern exec -c aws -- python3 job.py`; any access key will do in it",
                     "`boto3.client(\"s3\", endpoint_url=\"http://s3.us-east-1.amazonaws.com\", aws_access_key_id=\"none\", aws_secret_access_key=\"none\")`"),
           connection="s3", shows="403", reasons={"error": ("status", XML)}),
    node("undici 6", "undici", ("`setGlobalDispatcher(new EnvHttpProxyAgent())` before the first call, under `postern exec`",
                                "it tunnels `http://` too, which is served; Node 22.21 and 24.5 need no line: exec sets `NODE_USE_ENV_PROXY`"),
         shows="403", shows_of_tunnel="403", reasons={"error": TUNNEL, "refused": STATUS}),
    node("undici 7", "undici7", ("`setGlobalDispatcher(new EnvHttpProxyAgent())` before the first call, under `postern exec`",
                                 "or `new ProxyAgent({uri, token, proxyTunnel: false})` for `http://` without a tunnel"),
         shows="403", shows_of_tunnel="403", reasons={"error": TUNNEL, "refused": STATUS}),
    node("axios 0.27", "axios-0", ("`postern exec -c stripe -- node job.js`; nothing to change in it",
                                   "`proxy: false` in its configuration switches the proxy off: leave it out"),
         reasons={"refused": (ABSENT, "it asks the proxy for the `https://` URL itself, which is served without a tunnel and needs no CA")}),
    node("axios 1", "axios", ("`postern exec -c stripe -- node job.js`; nothing to change in it",
                              "`error.response.data.detail` is what postern says")),
    node("got", "got", ("`got(url, {agent: {http: new HttpProxyAgent(process.env.http_proxy), https: new HttpsProxyAgent(process.env.http_proxy)}})`",
                        "with the packages http-proxy-agent and https-proxy-agent, under `postern exec`")),
    node("@octokit/rest", "@octokit/rest", ("`setGlobalDispatcher(new EnvHttpProxyAgent())` of undici, under `postern exec -c github`; any `auth` will do",
                                            "base URL: `new Octokit({auth: PST, baseUrl: \"http://127.0.0.1:8480/c/github\"})`"), connection="github",
         shows="cancelled", shows_of_tunnel="cancelled", reasons={"error": SILENT, "refused": SILENT}),
    node("stripe", "stripe", ("`new Stripe(\"none\", {httpAgent: new HttpsProxyAgent(process.env.https_proxy)})`, under `postern exec -c stripe`",
                              "base URL: no, it has no path; `{protocol: \"http\", port: 80, httpAgent: new HttpProxyAgent(process.env.http_proxy)}` needs no CA"),
         connection="stripe", reasons={"base": (ABSENT, "its settings are a host and a port, without a path")}),
    node("openai", "openai", ("`setGlobalDispatcher(new EnvHttpProxyAgent())` of undici, under `postern exec -c openai`; any `apiKey` will do",
                              "base URL: `new OpenAI({apiKey: PST, baseURL: \"http://127.0.0.1:8480/c/openai/v1\"})`"), connection="openai",
         shows="Connection error", shows_of_tunnel="Connection error", reasons={"error": SILENT, "refused": SILENT}),
    node("@slack/web-api", "@slack/web-api", ("`new WebClient(\"none\", {agent: new HttpsProxyAgent(process.env.https_proxy)})`, under `postern exec -c slack`",
                                              "base URL: `new WebClient(PST, {slackApiUrl: \"http://127.0.0.1:8480/c/slack/api/\"})`"), connection="slack",
         reasons={"stream": (ABSENT, "the service answers no call in pieces")}),
    node("@aws-sdk/client-s3", "@aws-sdk/client-s3", ("`new S3Client({requestHandler: {httpsAgent: new HttpsProxyAgent(process.env.https_proxy)}, credentials: {accessKeyId: \"none\", secretAccessKey: \"none\"}})`",
                                                      "under `postern exec -c aws`; base URL: `endpoint: \"http://127.0.0.1:8480/c/aws\"`, the token as `sessionToken`"), connection="s3",
         shows="403", shows_of_tunnel="403", reasons={"error": ("status", XML), "refused": ("status", XML)}),
    Row("Go net/http", "api", {"": '"$BUILD/go/client" $COLUMN'},
        ("`postern exec -c stripe -- ./job`; `http.DefaultTransport` reads the environment",
         "a transport of its own needs `Proxy: http.ProxyFromEnvironment`"), needs=("go",),
        build='mkdir -p "$BUILD/go" && GOFLAGS=-mod=mod GO111MODULE=off GOCACHE="$BUILD/go-cache" go build -o "$BUILD/go/client" "$CLIENTS/client.go"',
        version="go version | cut -d' ' -f3 | tr -d go"),
    Row("Java HttpClient", "api", {"": 'java -cp "$BUILD/java" Client $COLUMN'},
        ("`postern exec -c stripe -- java Job`; exec tells the JVM the proxy and the CA, but no option can hold the token:",
         "`request.header(\"Proxy-Authorization\", \"Basic \" + base64(URI.create(System.getenv(\"http_proxy\")).getUserInfo()))`"), needs=("javac",),
        shows_of_tunnel="403", reasons={"refused": STATUS}, build='mkdir -p "$BUILD/java" && javac -d "$BUILD/java" "$CLIENTS/Client.java"',
        version="java -version 2>&1 | head -n 1 | cut -d'\"' -f2"),
    Row("Ruby Net::HTTP", "api", {"": 'ruby "$CLIENTS/client.rb" $COLUMN'},
        ("`postern exec -c stripe -- ruby job.rb`; nothing to change in it",
         "`Net::HTTP.new(host, port, nil)` switches the proxy off: leave the nil out"), needs=("ruby",),
        version="ruby -e 'print RUBY_VERSION'"),
]


@functools.cache
def runnable():
    return [row for row in ROWS if not row.missing()]


def table(versions):
    """The part of README.md between the markers."""
    lines = ["| client | " + " | ".join(COLUMNS.values()) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    notes = []
    for row in ROWS:
        cells = []
        for column in COLUMNS:
            cell, note = row.reasons.get(column, ("yes", ""))
            if note and note not in notes:
                notes.append(note)
            cells.append(f"{cell} ({notes.index(note) + 1})" if note else cell)
        version = f" {versions[row.name]}" if versions.get(row.name) else ""
        lines.append(f"| {row.name}{version} | " + " | ".join(cells) + " |")
    lines.append("")
    lines += [f"({number}) {note}.  " for number, note in enumerate(notes, 1)]
    lines.append("")
    for row in ROWS:
        lines += [f"- **{row.name}**: {row.recipe[0]}  ", f"  {row.recipe[1]}"]
    return "\n".join(lines) + "\n"


def written():
    """The table as README.md has it, and the text around it."""
    before, rest = README.read_text().split(BEGIN + "\n")
    inside, after = rest.split(END)
    return before, inside, after


def versions_of(text):
    """name → version, of a table."""
    found = {}
    for line in text.splitlines():
        cell = line[2:].split(" | ")[0] if line.startswith("| ") else ""
        for row in ROWS:
            if cell.startswith(row.name + " "):
                found[row.name] = cell[len(row.name) + 1:]
    return found


def main(what):
    before, inside, after = written()
    if what == "--check":
        if inside != table(versions_of(inside)):
            print("README.md: the client table is not that of tests/blackbox/kit/clients.py: scripts/clients makes it anew")
            return 1
    elif what == "--missing":
        for row in ROWS:
            if lacks := row.missing():
                print(f"not run here: {row.name} (no {lacks})")
    elif what == "--write":
        versions = {row.name: row.its_version() for row in ROWS}
        README.write_text(before + BEGIN + "\n" + table(versions) + END + after)
    else:
        print("usage: clients.py --check | --missing | --write")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2] or [""]))
