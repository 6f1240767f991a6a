"""A peer that makes records of TLS itself, after its handshake: such as no library sends."""

from __future__ import annotations

import hmac
import os
import socket
import ssl
import struct
import tempfile

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gchat.server.settings import TlsSection
from tests.certificates import client_context
from tests.e2e.harness import DEADLINE_S

_ALERT, _HANDSHAKE, _DATA = 21, 22, 23


class RecordPeer:
    """A connection in TLS 1.3, of which the peer's half is made here (RFC 8446, sections 5.2 and 7)."""

    def __init__(self, port: int, section: TlsSection) -> None:
        context = client_context(section)
        with tempfile.TemporaryDirectory() as directory:
            context.keylog_filename = keys = os.path.join(directory, "keys")
            plain = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S)
            self.sock = context.wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False)
            with open(keys, encoding="ascii") as lines:
                found = dict(line.split()[::2] for line in lines if not line.startswith("#"))
        cipher = self.sock.cipher()
        assert cipher
        assert cipher[0] == "TLS_AES_256_GCM_SHA384"
        self._use(bytes.fromhex(found["CLIENT_TRAFFIC_SECRET_0"]))

    def data(self, data: bytes) -> bytes:
        """Return a record with data."""
        return self._record(data, _DATA)

    def close_notify(self) -> bytes:
        """Return a record that ends the stream."""
        return self._record(b"\x01\x00", _ALERT)

    def new_keys(self) -> bytes:
        """Return a record that says nothing but that the next one has other keys."""
        record = self._record(b"\x18\x00\x00\x01\x00", _HANDSHAKE)
        self._use(_expanded(self._secret, b"traffic upd", 48))
        return record

    def sends(self, records: bytes) -> None:
        """Send records as they are."""
        with socket.socket(fileno=os.dup(self.sock.fileno())) as same:
            same.settimeout(DEADLINE_S)
            same.sendall(records)

    def reads_to_the_end(self) -> bytes:
        """Return all that comes."""
        received = b""
        try:
            while data := self.sock.recv(65536):
                received += data
        except (ConnectionError, ssl.SSLError):
            pass
        return received

    def _use(self, secret: bytes) -> None:
        self._secret, self._sent = secret, 0
        self._key = AESGCM(_expanded(secret, b"key", 32))
        self._nonce = int.from_bytes(_expanded(secret, b"iv", 12), "big")

    def _record(self, content: bytes, kind: int) -> bytes:
        head = b"\x17\x03\x03" + struct.pack("!H", len(content) + 17)
        nonce = (self._nonce ^ self._sent).to_bytes(12, "big")
        self._sent += 1
        return head + self._key.encrypt(nonce, content + bytes([kind]), head)


def _expanded(secret: bytes, label: bytes, size: int) -> bytes:
    """Return HKDF-Expand-Label of at most 48 bytes."""
    info = struct.pack("!HB", size, 6 + len(label)) + b"tls13 " + label + b"\0\1"
    return hmac.digest(secret, info, "sha384")[:size]
