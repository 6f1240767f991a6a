"""A certificate for trying TLS."""

from __future__ import annotations

import datetime as dt
import stat
from pathlib import Path

import pytest
from cryptography import x509

from gchat.server.certificate import Certificate
from gchat.server.make_cert import make_cert
from gchat.server.settings import TlsSection


def test_it_can_be_used_at_once_and_only_its_owner_reads_the_key(tmp_path: Path) -> None:
    directory = str(tmp_path / "new")
    certificate, key, names = make_cert(directory, [])

    assert Certificate(TlsSection(certificate, key)).warning == ""
    assert names[:3] == ["localhost", "127.0.0.1", "::1"]
    assert stat.S_IMODE(Path(key).stat().st_mode) == 0o600


def test_it_is_valid_for_machines_whose_clock_is_behind(tmp_path: Path) -> None:
    certificate, _, _ = make_cert(str(tmp_path), [])
    begins = x509.load_pem_x509_certificate(Path(certificate).read_bytes()).not_valid_before_utc
    assert begins < dt.datetime.now(dt.UTC) - dt.timedelta(hours=12)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    make_cert(str(tmp_path), [])
    before = (tmp_path / "key.pem").read_bytes()
    (tmp_path / "cert.pem").unlink()

    with pytest.raises(FileExistsError, match="it is there already"):
        make_cert(str(tmp_path), [])
    assert (tmp_path / "key.pem").read_bytes() == before
    assert not (tmp_path / "cert.pem").exists()


def test_a_name_that_is_none_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r'"a\.\.b" is not a host name or an address'):
        make_cert(str(tmp_path / "new"), ["chat.example", "a..b"])
    assert not (tmp_path / "new").exists()
