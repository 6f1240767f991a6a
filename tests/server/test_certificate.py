"""The certificate: what is wrong with a bad one is one line, and a good one can be used."""

from __future__ import annotations

import os
import ssl
import subprocess
import time
from pathlib import Path

import pytest

from gchat.server.certificate import Certificate, CertificateError, shown
from gchat.server.settings import TlsSection
from tests.certificates import certificate

DAY_S = 86400


def complaint(section: TlsSection) -> str:
    with pytest.raises(CertificateError) as caught:
        Certificate(section)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_a_good_certificate_says_from_when_until_when_it_is_valid(tmp_path: Path) -> None:
    found = Certificate(certificate(tmp_path, days=30))

    assert found.begins_at <= time.time()
    assert abs(found.ends_at - time.time() - 30 * DAY_S) < DAY_S
    assert found.warning == ""
    assert found.context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_the_key_may_be_in_the_same_file(tmp_path: Path) -> None:
    section = certificate(tmp_path)
    both = tmp_path / "both.pem"
    both.write_bytes(Path(section.key).read_bytes() + Path(section.cert).read_bytes())

    Certificate(TlsSection(cert=str(both)))


def test_one_that_ends_within_two_weeks_is_warned_of(tmp_path: Path) -> None:
    found = Certificate(certificate(tmp_path, days=13))

    assert found.warning == f"the certificate {found.path} ends on {shown(found.ends_at)}; renew it"
    found.ends_at = time.time() - 1
    assert f"{found.path} ended on " in found.warning


def test_one_that_has_ended_is_refused(tmp_path: Path) -> None:
    assert "it ended on 20" in complaint(certificate(tmp_path, days=-3))


def test_one_that_has_not_begun_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    section = certificate(tmp_path)
    monkeypatch.setattr(time, "time", lambda: 1_000_000_000.0)

    assert "is the clock of this machine right?" in complaint(section)


def test_a_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    section, other = certificate(tmp_path), certificate(tmp_path, name="other")
    section.key = other.key

    assert complaint(section) == f'tls.cert = "{section.cert}": the key is of another certificate'


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    section = certificate(tmp_path)
    missing, fifo = str(tmp_path / "missing.pem"), str(tmp_path / "fifo")
    os.mkfifo(fifo)

    assert complaint(TlsSection(missing, section.key)) == f'tls.cert = "{missing}": no such file or directory'
    assert complaint(TlsSection(section.cert, missing)) == f'tls.key = "{missing}": no such file or directory'
    assert complaint(TlsSection(str(tmp_path), section.key)) == f'tls.cert = "{tmp_path}": it is not a regular file'
    assert complaint(TlsSection(section.cert, fifo)) == f'tls.key = "{fifo}": it is not a regular file'
    assert complaint(TlsSection("a\0b", section.key)).endswith("embedded null byte")


def test_files_with_something_else_in_them_are_named(tmp_path: Path) -> None:
    section = certificate(tmp_path)
    pem = Path(section.cert).read_text()
    body = pem.splitlines()[1]

    def wrong(text: str) -> str:
        path = tmp_path / "wrong.pem"
        path.write_text(text)
        return str(path)

    assert complaint(TlsSection(section.key, section.cert)).endswith("there is no certificate in PEM in it")
    assert complaint(TlsSection(section.cert, section.cert)).endswith("there is no private key in PEM in it")
    assert complaint(TlsSection(wrong(""), section.key)).endswith("there is no certificate in PEM in it")
    assert complaint(TlsSection(wrong(pem[:200]), section.key)).endswith("there is no certificate in PEM in it")
    assert "damaged" in complaint(TlsSection(wrong(pem.replace(body, body[1:])), section.key))
    assert "damaged" in complaint(TlsSection(wrong(pem.replace(body, "")), section.key))
    assert "OpenSSL does not understand it" in complaint(
        TlsSection(section.cert, wrong("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"))
    )


# In https://github.com/tor2web/Tor2web/issues/263 a server in the background asked for it, again and again.
def test_a_key_with_a_passphrase_is_refused_and_nobody_is_asked(tmp_path: Path) -> None:
    section = certificate(tmp_path)
    locked = str(tmp_path / "locked.key")
    subprocess.run(
        ["openssl", "pkcs8", "-topk8", "-in", section.key, "-out", locked, "-passout", "pass:secret"], check=True
    )

    assert "the key has a passphrase" in complaint(TlsSection(section.cert, locked))


def test_a_certificate_until_the_end_of_time_is_read_too(tmp_path: Path) -> None:
    found = Certificate(certificate(tmp_path, days=365 * 100))  # GeneralizedTime from 2050 on

    assert shown(found.ends_at).startswith("21")
