"""[[hooks.outgoing]]: read from a file or the environment, checked, and written back as the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from gchat.server.config import ConfigError, dump, load
from gchat.server.hook_settings import OutgoingHook

TWO = """
[[hooks.outgoing]]
url = "https://hooks.example.org/T0/s3cret?x=y"
room = "ops"
prefix = "!"

[[hooks.outgoing]]
url = "http://127.0.0.1:9/"
room = "dev"
secret_file = "/run/secret"
name = "CI Bot"
"""


def test_tables_are_read_and_written_as_the_same(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text(TWO)
    config = load(str(path), {}, {})
    assert config.hooks.outgoing == [
        OutgoingHook("https://hooks.example.org/T0/s3cret?x=y", "ops", "!"),
        OutgoingHook("http://127.0.0.1:9/", "dev", "", "/run/secret", "CI Bot"),
    ]
    path.write_text(dump(config))
    assert load(str(path), {}, {}) == config


def test_the_environment_has_them_as_json() -> None:
    config = load(None, {"GCHAT_HOOKS_OUTGOING": '[{"url":"http://x/","room":"ops"}]'}, {})
    assert config.hooks.outgoing == [OutgoingHook("http://x/", "ops")]


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ('"http://x/"', "expected a list of tables"),
        ("[3]", "a list of tables; number 1: expected an object"),
        ('[{ room = "ops" }]', "number 1: url is missing: expected a text that is not empty"),
        ('[{ url = "http://x/", room = "ops" }, { url = 5, room = "ops" }]', "number 2: url: expected a text"),
        (
            '[{ url = "http://x/", room = "ops", prefx = "!" }]',
            "prefx: unknown field; expected one of url, room, prefix",
        ),
        ('[{ url = "ftp://x/", room = "ops" }]', "begins with http:// or https://"),
        ('[{ url = "https://user:pw@x/", room = "ops" }]', "without a password"),
        ('[{ url = "https://[x/", room = "ops" }]', "begins with http:// or https://"),
        ('[{ url = "https://x/\\nHost: y", room = "ops" }]', "begins with http:// or https://"),
        ('[{ url = "http://x/", room = "o p s" }]', "A room name cannot contain a space"),
        ('[{ url = "http://x/", room = "Ops" }]', 'room to be written as it is shown, "ops"'),
        ('[{ url = "http://x/", room = "ops", name = "[]" }]', "The name is empty"),
    ],
)
def test_what_cannot_be_is_one_line_that_shows_no_url(tmp_path: Path, value: str, why: str) -> None:
    path = tmp_path / "c.toml"
    path.write_text(f"[hooks]\noutgoing = {value}\n")
    with pytest.raises(ConfigError) as raised:
        load(str(path), {}, {})
    assert why in str(raised.value)
    assert "hooks.outgoing = …: expected" in str(raised.value)
    assert "//x" not in str(raised.value).replace(str(path), "")


def test_the_log_has_the_host_alone() -> None:
    assert OutgoingHook("https://hooks.example.org:8443/T0/s3cret?x=y", "ops").where == "https://hooks.example.org:8443"
