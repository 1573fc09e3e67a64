"""Providers that others have written, under Node: oidc-provider and oauth2-mock-server (node/provider.js)."""
import json
import os
import subprocess
import threading
from pathlib import Path

from . import until
from .daemon import ends_with_us


class NodeProvider:
    def __init__(self, which, leaf, folder):
        modules = os.environ.get("POSTERN_NODE_MODULES", "")
        assert os.path.isdir(modules), "POSTERN_NODE_MODULES must name the installed modules; scripts/test does it"
        script = Path(__file__).parent.parent / "node" / "provider.js"
        self.log = folder / f"{which}.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(["node", str(script), which, modules, str(leaf[0]), str(leaf[1])], text=True, bufsize=1,
                                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, preexec_fn=ends_with_us,
                                            env={"PATH": os.environ["PATH"]})
        self.said = []
        threading.Thread(target=self._read, daemon=True).start()
        self.address = f"127.0.0.1:{self._wait('port')['port']}"

    def _read(self):
        for line in self.process.stdout:
            if line.startswith("{"):  # the others are warnings of the libraries
                self.said.append(json.loads(line))

    def _wait(self, member):
        def find():
            assert self.process.poll() is None, self.log.read_text()
            return next((said for said in self.said if member in said), None)
        return until(find, 60, f"{member} of the provider")

    def begin(self, **configuration):
        self.tell(configuration)
        self._wait("ready")
        return self

    def tell(self, value):
        self.process.stdin.write(json.dumps(value) + "\n")
        self.process.stdin.flush()

    def next_answer(self, **told):
        """Of the mock: what the token endpoint answers next."""
        before = sum("queued" in said for said in self.said)
        self.tell(told)
        until(lambda: sum("queued" in said for said in self.said) > before, what="the mock has heard")

    @property
    def answers(self):
        """Of the mock: the statuses that the token endpoint has answered."""
        return [said["sent"] for said in self.said if "sent" in said]

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
