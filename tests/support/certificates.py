"""Certificates of an authority made for one test run, with openssl; a machine without it skips loudly."""

import shutil
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

_CA = """
[ca]
default_ca = here
[here]
new_certs_dir = .
database = index.txt
serial = serial
default_md = sha256
policy = any
x509_extensions = names
[any]
commonName = supplied
[names]
subjectAltName = {names}
"""


@dataclass(frozen=True)
class Certificate:
    file: Path
    key: Path


class Authority:
    """Signs certificates; `file` is what a client trusts."""

    def __init__(self, folder: Path) -> None:
        if shutil.which("openssl") is None:
            pytest.skip("NOT TESTED: TLS failures; there is no openssl on this machine")
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "index.txt").touch()
        (folder / "index.txt.attr").write_text("unique_subject = no\n")
        (folder / "serial").write_text("01")
        self._openssl("req", "-x509", *_KEY, "-keyout", "ca.key", "-out", "ca.pem", "-days", "30", "-subj", "/CN=ca")
        self.file = folder / "ca.pem"

    def certificate(self, name: str = "localhost", *, ends: datetime | None = None) -> Certificate:
        """A certificate for `name` that ends at `ends` (in 30 days)."""
        end = ends or datetime.now(UTC) + timedelta(days=30)
        stem = f"{name}-{end:%Y%m%d%H%M}"
        kind = "IP" if name.replace(".", "").isdigit() else "DNS"
        (self.folder / "ca.cnf").write_text(_CA.format(names=f"{kind}:{name}"))
        self._openssl("req", *_KEY, "-keyout", f"{stem}.key", "-out", f"{stem}.csr", "-subj", f"/CN={name}")
        begin = end - timedelta(days=60)
        times = ("-startdate", f"{begin:%Y%m%d%H%M%SZ}", "-enddate", f"{end:%Y%m%d%H%M%SZ}")
        files = ("-cert", "ca.pem", "-keyfile", "ca.key", "-in", f"{stem}.csr", "-out", f"{stem}.pem")
        self._openssl("ca", "-batch", "-notext", "-config", "ca.cnf", *times, *files)
        return Certificate(self.folder / f"{stem}.pem", self.folder / f"{stem}.key")

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)


_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
