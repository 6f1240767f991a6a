"""The description of the endpoint: complete, and true, as schemathesis finds by asking what it says can be asked."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.admin.endpoint import Endpoint
from tests.admin.fake_backend import TOKEN

ROOT = Path(__file__).parents[2]

#: Of its search for what breaks; it ends soon after, and is ended if it does not.
SEARCH_S = 15


def test_every_route_is_described_with_every_method_that_it_has() -> None:
    with Endpoint() as endpoint:
        paths = endpoint.ask_get("/openapi.json").value["paths"]
        assert len(paths) == 32
        for path, item in paths.items():
            concrete = re.sub(r"{\w+}", "1", path.replace("{room}", "lobby"))
            allowed = endpoint.ask("OPTIONS", concrete).headers["allow"].split(", ")
            assert {method.upper() for method in item if method != "parameters"} == set(allowed), path


def test_the_description_says_what_needs_which_token() -> None:
    with Endpoint() as endpoint:
        document = endpoint.ask_get("/openapi.json").value
        for path, item in document["paths"].items():
            concrete = path.replace("{room}", "lobby")
            for method in {"get", "post", "put", "delete"} & set(item):
                if path != "/events":
                    is_open = {} in item[method]["security"]
                    assert is_open is (endpoint.ask(method.upper(), concrete).status != 401), (method, path)
    assert 'without a token there are no "message" events' in document["paths"]["/events"]["get"]["description"]
    assert "need a token" in document["info"]["description"]


def test_the_description_says_which_scope_each_operation_needs() -> None:
    with Endpoint() as endpoint:
        paths = endpoint.ask_get("/openapi.json").value["paths"]
    needed = {
        (method, path): [scope for choice in item[method]["security"] for scope in choice.get("token", ["none"])]
        for path, item in paths.items()
        for method in {"get", "post", "put", "delete"} & set(item)
    }
    assert needed["get", "/status"] == ["none", "read"]
    assert needed["get", "/audit"] == ["read"]
    assert needed["post", "/users/{user}/mute"] == ["moderate"]
    assert needed["post", "/rooms/{room}/messages"] == ["all", "say:ROOM"]
    assert needed["put", "/operators/{account}"] == ["all"]
    assert needed["get", "/tokens"] == ["all"]


def test_every_reference_in_the_description_leads_somewhere() -> None:
    with Endpoint() as endpoint:
        document = endpoint.ask_get("/openapi.json").value

    def check(value: object) -> None:
        if isinstance(value, list):
            for item in value:
                check(item)
        if isinstance(value, dict):
            for key, item in value.items():
                check(item)
                if key == "$ref":
                    target = document
                    for step in item.removeprefix("#/").split("/"):
                        target = target[step]

    check(document)


def test_schemathesis_finds_nothing(tmp_path: Path) -> None:
    server = [sys.executable, "-m", "tests.admin.server_for_schemathesis"]
    with subprocess.Popen(server, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            assert process.stderr
            port = int(process.stdout.readline())
            command = [
                *(sys.executable, "-m", "schemathesis.cli", "run", f"http://127.0.0.1:{port}/openapi.json"),
                *("--header", f"Authorization: Bearer {TOKEN}"),
                *("--exclude-path", "/events"),  # they never end; test_sse and test_room_stream have them
                *("--exclude-path", "/rooms/{room}/events"),
                # Long runs by hand have "stateful" too, with --exclude-checks ensure_resource_availability, because it
                # does not know that what is revoked by its id, a hook, is not there by its secret either.
                *("--phases", "coverage,fuzzing", "--max-time", str(SEARCH_S), "--no-color"),
            ]
            found = subprocess.run(
                command, cwd=tmp_path, capture_output=True, text=True, timeout=SEARCH_S + 70, check=False
            )
            assert found.returncode == 0, found.stdout + found.stderr[-2000:]
            assert "Tested: 55" in found.stdout, found.stdout
        finally:
            process.kill()
        log = process.stderr.read()
    assert "Traceback" not in log, log[-3000:]
    assert "crashed" not in log, log[-3000:]
