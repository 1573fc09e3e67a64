"""A certificate authority made with the openssl command line."""
import itertools
import subprocess


def _openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


class Authority:
    def __init__(self, folder, name="Test CA"):
        self.folder = folder
        self._count = itertools.count()
        folder.mkdir(parents=True, exist_ok=True)
        self.pem, self._key = folder / "ca.pem", folder / "ca.key"
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", 30,
                 "-subj", f"/CN={name}", "-keyout", self._key, "-out", self.pem,
                 "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def issue(self, *names, days=30):
        """(certificate, key) for these DNS names or addresses; days=-1 has already expired."""
        base = self.folder / f"leaf{next(self._count)}"
        certificate, key, request, extra = (base.with_suffix(s) for s in (".pem", ".key", ".csr", ".ext"))
        kind = [("IP:" if name.replace(".", "").isdigit() or ":" in name else "DNS:") + name for name in names]
        extra.write_text(f"subjectAltName={','.join(kind)}\nextendedKeyUsage=serverAuth\n")
        _openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={names[0]}",
                 "-keyout", key, "-out", request)
        _openssl("x509", "-req", "-in", request, "-CA", self.pem, "-CAkey", self._key, "-CAcreateserial",
                 "-days", days, "-extfile", extra, "-out", certificate)
        return certificate, key

    def client(self, name, *, key=("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"), days=30, passphrase=None,
               under=None):
        """(certificate, key) as PEM texts, for a client of that name. `under`: an intermediate() that signs instead."""
        base = self.folder / f"client{next(self._count)}"
        certificate, secret, request, extra = (base.with_suffix(s) for s in (".pem", ".key", ".csr", ".ext"))
        extra.write_text("extendedKeyUsage=clientAuth\n")
        signer, signer_key = under or (self.pem, self._key)
        _openssl("req", *key, "-nodes", "-subj", f"/CN={name}", "-keyout", secret, "-out", request)
        _openssl("x509", "-req", "-in", request, "-CA", signer, "-CAkey", signer_key, "-CAcreateserial", "-days", days,
                 "-extfile", extra, "-out", certificate)
        if passphrase:
            locked = base.with_suffix(".locked")
            _openssl("pkey", "-in", secret, "-aes256", "-passout", f"pass:{passphrase}", "-out", locked)
            secret = locked
        return certificate.read_text(), secret.read_text()

    def intermediate(self, name):
        """(certificate, key) files of an authority below this one."""
        base = self.folder / f"authority{next(self._count)}"
        certificate, key, request, extra = (base.with_suffix(s) for s in (".pem", ".key", ".csr", ".ext"))
        extra.write_text("basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n")
        _openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                 "-keyout", key, "-out", request)
        _openssl("x509", "-req", "-in", request, "-CA", self.pem, "-CAkey", self._key, "-CAcreateserial", "-days", 30,
                 "-extfile", extra, "-out", certificate)
        return certificate, key

    def self_signed(self, name):
        base = self.folder / f"self{next(self._count)}"
        certificate, key = base.with_suffix(".pem"), base.with_suffix(".key")
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", 30,
                 "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-keyout", key, "-out", certificate)
        return certificate, key
