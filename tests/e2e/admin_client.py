"""A client of a real server's admin endpoint."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from copy import copy
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import DEADLINE_S, Server, wait_until


class Operator:
    """Sends requests with a server's admin token."""

    def __init__(self, server: Server) -> None:
        wait_until(lambda: "admin page: " in server.log, "the admin endpoint is up")
        found = re.search(r"admin page: http://(\S+)/", server.log)
        assert found
        self.at = found[1]
        (token,) = Path(server.environment["XDG_STATE_HOME"]).glob("gchat/admin-token-*")
        self.token_path = token
        self.token = token.read_text().strip()

    def asks(self, method: str, path: str, **body: Any) -> Any:
        """Return the answer; problems raise HTTPError."""
        request = urllib.request.Request(f"http://{self.at}{path}", method=method)
        if self.token:
            request.add_header("Authorization", f"Bearer {self.token}")
        if body:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:
            text = answer.read()
            return json.loads(text) if text.startswith((b"{", b"[")) else text.decode()

    def shows(self, token: str) -> Operator:
        """Return the same client with another token; "": with none."""
        other = copy(self)
        other.token = token
        return other

    def is_refused(self, code: int, method: str, path: str, **body: Any) -> str:
        """Fail unless it is, with this status; return the sentence that says why."""
        with pytest.raises(urllib.error.HTTPError) as raised:
            self.asks(method, path, **body)
        assert raised.value.code == code
        return str(json.loads(raised.value.read())["detail"])


def open_to_the_operator(**settings: Any) -> Server:
    return Server(admin_enabled="true", admin_port=0, **settings)
