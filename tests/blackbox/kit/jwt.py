"""Keys and signatures of JWTs by the openssl command line: a verifier that shares nothing with the one who signs."""
import base64
import json
import subprocess

ALGORITHMS = {"RS256": ("RSA", "rsa_keygen_bits:2048"), "ES256": ("EC", "ec_paramgen_curve:P-256"), "EdDSA": ("ED25519", None)}


def _openssl(*arguments, check=True):
    return subprocess.run(["openssl", *map(str, arguments)], check=check, capture_output=True).returncode == 0


def _decode(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _der(signature):
    """r and s of ECDSA (RFC 7518 section 3.4) as openssl wants them."""
    def integer(data):
        data = data.lstrip(b"\0") or b"\0"
        data = b"\0" + data if data[0] & 0x80 else data
        return bytes([2, len(data)]) + data
    body = integer(signature[:32]) + integer(signature[32:])
    return bytes([0x30, len(body)]) + body


class Key:
    def __init__(self, folder, algorithm):
        self.folder, self.algorithm = folder, algorithm
        self.file, self.public = folder / f"{algorithm}.pem", folder / f"{algorithm}.pub"
        kind, option = ALGORITHMS[algorithm]
        _openssl("genpkey", "-algorithm", kind, *(["-pkeyopt", option] if option else []), "-out", self.file)
        _openssl("pkey", "-in", self.file, "-pubout", "-out", self.public)
        self.pem = self.file.read_text()

    def claims(self, jwt):
        """(header, claims) of a JWT that this key has signed; fails otherwise."""
        head, body, signature = jwt.split(".")
        header = json.loads(_decode(head))
        assert header["alg"] == self.algorithm, header
        data, sealed = self.folder / "data", self.folder / "signature"
        data.write_bytes(f"{head}.{body}".encode())
        raw = _decode(signature)
        sealed.write_bytes(_der(raw) if self.algorithm == "ES256" else raw)
        if self.algorithm == "EdDSA":
            good = _openssl("pkeyutl", "-verify", "-pubin", "-inkey", self.public, "-rawin", "-in", data, "-sigfile", sealed, check=False)
        else:
            good = _openssl("dgst", "-sha256", "-verify", self.public, "-signature", sealed, data, check=False)
        assert good, "the signature does not fit"
        return header, json.loads(_decode(body))
