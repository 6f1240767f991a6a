"""Configuration: every key, its bounds, where it may come from, and what is said about one that is wrong."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest

from gchat.server.config import ConfigError, changes, dump, ignored, load
from gchat.server.settings import ROWS, Config

KEYS = [(section, key) for section, rows in ROWS.items() for key in rows]


def write(directory: Path, text: str | bytes) -> str:
    path = directory / "gchat.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def complaint(
    path: str | None = None,
    environment: dict[str, str] | None = None,
    arguments: dict[tuple[str, str], str] | None = None,
) -> str:
    with pytest.raises(ConfigError) as error:
        load(path, environment or {}, arguments or {})
    text = str(error.value)
    assert "\n" not in text
    return text


def test_with_nothing_given_everything_is_the_default() -> None:
    config = load(None, {}, {})
    assert config == Config()
    assert (config.server.host, config.server.port) == ("127.0.0.1", 8888)
    limits = config.limits
    assert (limits.max_line_bytes, limits.messages_per_s, limits.burst, limits.nick_max) == (8192, 5, 40, 32)


def test_two_configurations_do_not_share_their_sections() -> None:
    first, second = load(None, {}, {}), load(None, {}, {})
    first.limits.burst = 1
    assert second.limits.burst == 40


def test_what_is_dumped_is_loaded_as_the_same(tmp_path: Path) -> None:
    config = load(
        None,
        {
            "GCHAT_SERVER_PROMPT": 'a "quoted" \\ prompt é 😀 \x1b[0m\t> ',
            "GCHAT_SERVER_MOTD": "one\ntwo = 3 # no comment\n[limits]\n",
            "GCHAT_SERVER_HOST": "::1",
            "GCHAT_LIMITS_MESSAGES_PER_S": "0.25",
            "GCHAT_LIMITS_STALL_TIMEOUT_S": "1e-9",
            "GCHAT_LIMITS_BURST": "1000000000",
            "GCHAT_LOG_FORMAT": "json",
        },
        {("server", "port"): "0"},
    )
    assert load(write(tmp_path, dump(config)), {}, {}) == config


def test_the_dump_names_every_key_once_with_a_comment() -> None:
    text = dump(Config())
    table = tomllib.loads(text)
    assert [(section, key) for section, keys in table.items() for key in keys] == KEYS
    for line in text.splitlines():
        if " = " in line and not line.startswith("#"):
            assert "  # " in line, line
            assert not line.endswith("None"), line


def test_the_file_in_the_repository_is_the_defaults() -> None:
    path = Path(__file__).parents[2] / "config" / "gchat.toml"
    assert path.read_text() == dump(Config())
    assert load(str(path), {}, {}) == Config()


def test_an_argument_is_stronger_than_the_environment_and_that_than_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "[server]\nport = 1\n[limits]\nburst = 1\nnick_max = 1\n")
    config = load(path, {"GCHAT_SERVER_PORT": "2", "GCHAT_LIMITS_BURST": "2"}, {("server", "port"): "3"})
    assert (config.server.port, config.limits.burst, config.limits.nick_max, config.limits.max_rooms) == (3, 2, 1, 1000)


def test_every_key_can_be_set_in_the_environment() -> None:
    defaults = Config()
    for section, key in KEYS:
        value = str(getattr(getattr(defaults, section), key)) or {
            "mode": "0660",
            "public_url": "https://chat.example",
            "trusted_proxies": "192.0.2.0/24 ::1",
            "url": "valkey://db1",
        }.get(key, "text")
        name = f"GCHAT_{section}_{key}".upper()
        config = load(None, {name: value}, {})
        assert str(getattr(getattr(config, section), key)) == value
        assert ignored({name: value}) == ([], [])


#: What Kubernetes sets beside services called gchat, gchat-server and gchat-admin, and docker for links.
LINKS = {
    "GCHAT_PORT": "tcp://10.0.0.1:8888",
    "GCHAT_SERVICE_HOST": "10.0.0.1",
    "GCHAT_SERVICE_PORT": "8888",
    "GCHAT_SERVICE_PORT_CHAT": "8888",
    "GCHAT_PORT_8888_TCP": "tcp://10.0.0.1:8888",
    "GCHAT_PORT_8888_TCP_PROTO": "tcp",
    "GCHAT_PORT_8888_TCP_PORT": "8888",
    "GCHAT_PORT_8888_TCP_ADDR": "10.0.0.1",
    "GCHAT_SERVER_SERVICE_HOST": "10.0.0.1",
    "GCHAT_SERVER_SERVICE_PORT": "8888",
    "GCHAT_SERVER_PORT": "tcp://10.0.0.1:8888",
    "GCHAT_SERVER_PORT_8888_TCP_PORT": "8888",
    "GCHAT_SERVER_PORT_53_UDP_ADDR": "10.0.0.1",
    "GCHAT_SERVER_SERVICE_PORT_HTTP": "80",  # a port with a name, as in gomods/athens#1038
    "GCHAT_ADMIN_PORT": "tcp://[fd00::1]:8889",  # raystack/frontier#1332, in a cluster with IPv6
    "GCHAT_ADMIN_SERVICE_PORT": "8889",
    "GCHAT_LOG_SERVICE_HOST": "10.0.0.1",
    "GCHAT_NAME": "/web/gchat",
    "GCHAT_": "",
}


def test_what_kubernetes_and_docker_set_is_ignored_and_named() -> None:
    assert load(None, LINKS, {}) == Config()
    assert ignored(LINKS) == ([], list(LINKS))


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("GCHAT_LIMITS_BRUST", "GCHAT_LIMITS_BURST"),
        ("GCHAT_LIMIT_BURST", "GCHAT_LIMITS_BURST"),
        ("GCHAT_SERVERS_PORT", "GCHAT_SERVER_PORT"),
        ("GCHAT_SERVER_PORTS", "GCHAT_SERVER_PORT"),
        ("GCHAT_LOGLEVEL", "GCHAT_LOG_LEVEL"),
        ("GCHAT_limits_burst", "GCHAT_LIMITS_BURST"),
        ("GCHAT_HISTORY_KEEP_DAY", "GCHAT_HISTORY_KEEP_DAYS"),
    ],
)
def test_a_misspelled_variable_is_ignored_and_named_with_what_was_probably_meant(name: str, meant: str) -> None:
    assert load(None, {name: "3"}, {}) == Config()
    warning = f"unknown environment variable {name}, ignored; did you mean {meant}?"
    assert ignored({name: "3", "PATH": "x"}) == ([warning], [])


def test_a_file_may_begin_with_one_byte_order_mark(tmp_path: Path) -> None:
    assert load(write(tmp_path, b"\xef\xbb\xbf[limits]\nburst = 3\n"), {}, {}).limits.burst == 3
    assert "not TOML" in complaint(write(tmp_path, b"\xef\xbb\xbf" * 2 + b"[limits]\n"))
    assert "save the file as UTF-8" in complaint(write(tmp_path, "[limits]\n".encode("utf-16")))


def test_the_admin_endpoint_is_beside_the_chat_unless_it_has_a_port_of_its_own() -> None:
    def admin_port(*words: str) -> int:
        names = (("server", "host"), ("server", "port"), ("admin", "port"))
        return load(None, {}, dict(zip(names, words, strict=False))).admin_port

    assert Config().admin_port == 8889
    assert admin_port("::1", "9000") == 9001
    assert admin_port("::1", "0") == 0
    assert admin_port("./chat.sock") == 0
    assert admin_port("::1", "9000", "1") == 1
    assert admin_port("::1", "9000", "-1") == 9001
    said = complaint(arguments={("server", "port"): "65535"})
    assert said == "the admin endpoint has no port after 65535; set admin.port, or type --no-admin"
    assert load(None, {"GCHAT_ADMIN_ENABLED": "false"}, {("server", "port"): "65535"}).server.port == 65535
    assert load(None, {"GCHAT_ADMIN_HOST": "./admin.sock"}, {("server", "port"): "65535"}).server.port == 65535


def test_a_history_in_memory_is_asked_for_as_in_sqlite_too() -> None:
    config = load(None, {"GCHAT_HISTORY_PATH": ":memory:"}, {})
    assert (config.history.store, config.history.path) == ("memory", "")


def test_other_variables_of_the_environment_are_none_of_ours() -> None:
    assert (
        load(None, {"PATH": "x", "GCHATTER": "x", "XGCHAT_LIMITS_BURST": "2", "gchat_limits_burst": "2"}, {})
        == Config()
    )
    assert ignored({"PATH": "x", "GCHATTER": "x", "XGCHAT_LIMITS_BURST": "2", "gchat_limits_burst": "2"}) == ([], [])


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("[limits]\nbrust = 3\n", ["unknown key limits.brust", "did you mean limits.burst?"]),
        ("[limits]\nfrobnicate = 3\n", ["unknown key limits.frobnicate", "expected one of max_line_bytes, "]),
        ("[server]\nburst = 3\n", ["unknown key server.burst", "did you mean limits.burst?"]),
        ("[limit]\nburst = 3\n", ["unknown section [limit]", "did you mean [limits]?"]),
        (
            "[cheese]\nburst = 3\n",
            ["unknown section [cheese]", "one of server, admin, auth, tls, limits, history, hooks, cluster, log"],
        ),
        ("[server]\nmode = 432\n", ["server.mode = 432", 'an octal file mode in quotes, such as "0660"']),
        ('[admin]\nmode = "rw"\n', ['admin.mode = "rw"', "an octal file mode"]),
        ('[admin]\nmode = "0888"\n', ['admin.mode = "0888"', "an octal file mode"]),
        ('[server]\nhost = "a\\u0000b"\n', ["server.host", "expected a text"]),
        ("burst = 3\n", ["burst", "section", "limits"]),
        ("limits = 3\n", ["limits = 3", "expected a section"]),
        ("[[limits]]\nburst = 3\n", ["limits", "expected a section"]),
        ("[limits.burst]\nx = 3\n", ["limits.burst", "expected a whole number"]),
        ('[limits]\nburst = "3"\n', ['limits.burst = "3"', "expected a whole number from 1 to 1000000000"]),
        ("[limits]\nburst = 1.5\n", ["limits.burst = 1.5", "expected a whole number"]),
        ("[limits]\nburst = true\n", ["limits.burst = true", "expected a whole number"]),
        (
            "[limits]\nmessages_per_s = false\n",
            ["limits.messages_per_s = false", "expected a number from 0 to 1000000000"],
        ),
        ("[limits]\nburst = 0\n", ["limits.burst = 0", "from 1 to"]),
        ('[limits]\nexempt = "localhost"\n', ['limits.exempt = "localhost"', "expected networks separated by spaces"]),
        ('[limits]\nexempt = "10.0.0.1/8"\n', ['limits.exempt = "10.0.0.1/8"', '"127.0.0.0/8 ::1"']),
        ("[limits]\nnetwork_factor = -1\n", ["limits.network_factor = -1", "expected a number from 0 to 1000000"]),
        ("[limits]\nburst = []\n", ["limits.burst = []", "expected a whole number"]),
        ("[limits]\nburst = 2026-01-01\n", ["limits.burst = 2026-01-01", "expected a whole number"]),
        ("[limits]\nmessages_per_s = -1\n", ["limits.messages_per_s = -1", "expected a number from 0 to 1000000000"]),
        ("[limits]\nmessages_per_s = nan\n", ["limits.messages_per_s = nan", "expected a number"]),
        ("[limits]\nstall_timeout_s = 0\n", ["limits.stall_timeout_s = 0", "above 0", "86400"]),
        ("[limits]\nmax_line_bytes = 65537\n", ["limits.max_line_bytes = 65537", "from 16 to 65536"]),
        ("[server]\nport = 70000\n", ["server.port = 70000", "from 0 to 65535"]),
        ("[server]\nport = -1\n", ["server.port = -1", "from 0 to 65535"]),
        (
            '[server]\nhost = "127.0.0.1:9000"\n',
            ['server.host = "127.0.0.1:9000": expected a host alone', "a setting of its"],
        ),
        ('[admin]\nhost = "[::1]:9000"\n', ['admin.host = "[::1]:9000": expected a host alone']),
        ("[server]\nhost = 3\n", ["server.host = 3", "expected a text"]),
        ('[server]\nhost = ""\n', ['server.host = ""', "expected a text", "not empty"]),
        (f'[server]\nprompt = "{"x" * 81}"\n', ["server.prompt", "at most 80 characters"]),
        ('[log]\nlevel = "loud"\n', ['log.level = "loud"', '"debug"', '"info"', '"warning"', '"error"']),
        ('[history]\nstore = "paper"\n', ['history.store = "paper"', '"memory"']),
        ("[limits\n", ["not TOML", "line 1"]),
        ("[limits]\nburst = 3\nburst = 4\n", ["not TOML"]),
    ],
)
def test_a_wrong_file_is_named_with_the_key_the_value_and_what_was_expected(
    tmp_path: Path, text: str, parts: list[str]
) -> None:
    path = write(tmp_path, text)
    said = complaint(path)
    for part in [path, *parts]:
        assert part in said


@pytest.mark.parametrize("data", [b"\xff\xfe[\0", b"a = '\xe9'\n", b"\0", b"a = " + b"[" * 5000 + b"\n"])
def test_a_file_that_is_not_toml_is_an_error_of_its_own(tmp_path: Path, data: bytes) -> None:
    assert "not TOML" in complaint(write(tmp_path, data))


@pytest.mark.parametrize(
    ("name", "value", "parts"),
    [
        ("GCHAT_LIMITS_BURST", "many", ['"many"', "expected a whole number from 1 to 1000000000"]),
        ("GCHAT_LIMITS_BURST", "", ['""', "expected a whole number"]),
        ("GCHAT_LIMITS_BURST", "true", ['"true"', "expected a whole number"]),
        ("GCHAT_LIMITS_BURST", "0", ['"0"', "from 1 to"]),
        ("GCHAT_LIMITS_BURST", "1.5", ['"1.5"', "expected a whole number"]),
        ("GCHAT_LIMITS_BURST", "\udcff", ["expected a whole number"]),
        ("GCHAT_LIMITS_BURST", "x" * 5000, ["…", "expected a whole number"]),
        ("GCHAT_LIMITS_MESSAGES_PER_S", "nan", ['"nan"', "expected a number"]),
        ("GCHAT_SERVER_HOST", "", ["expected a text", "not empty"]),
        ("GCHAT_SERVER_PORT", "70000", ['"70000"', "from 0 to 65535"]),
    ],
)
def test_a_wrong_variable_is_named_with_its_value_and_what_was_expected(
    name: str, value: str, parts: list[str]
) -> None:
    said = complaint(environment={name: value})
    for part in [name, *parts]:
        assert part in said
    assert len(said) < 400


@pytest.mark.parametrize("text", ["70000", "-1", "http", "", "8888.0", "0x50", "1e3", "8_888", " 8888"])
def test_a_wrong_port_on_the_command_line_is_named(text: str) -> None:
    said = complaint(arguments={("server", "port"): text})
    assert "port" in said
    assert f'"{text}"' in said
    assert "from 0 to 65535" in said


def test_a_text_that_is_not_utf8_does_not_stop_anything_from_being_said() -> None:
    """The environment may hold any bytes; Python writes them as lone surrogates."""
    with pytest.raises(ConfigError):
        load(None, {"GCHAT_LOG_LEVEL": "\udcff"}, {})
    with pytest.raises(ConfigError):
        load(None, {"GCHAT_LIMITS_BURST": "\udcff"}, {})
    try:
        config = load(None, {"GCHAT_SERVER_PROMPT": "\udcff> "}, {})
    except ConfigError:
        return
    dump(config).encode()


def test_a_file_that_cannot_be_read_is_the_callers_matter(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load(str(tmp_path / "none"), {}, {})
    with pytest.raises(IsADirectoryError):
        load(str(tmp_path), {}, {})
    os.mkfifo(tmp_path / "fifo")
    for path, kind in ((tmp_path / "fifo", "a FIFO"), (Path("/dev/zero"), "a device")):
        with pytest.raises(OSError, match=kind):
            load(str(path), {}, {})


def test_changes_are_the_keys_that_differ() -> None:
    old, new = Config(), Config()
    assert changes(old, new) == []
    new.limits.burst = 3
    new.server.prompt = ""
    assert changes(old, new) == [("server", "prompt"), ("limits", "burst")]


@pytest.mark.parametrize("url", ["", "https://chat.example", "http://[::1]:8080/a/b", "https://chat.example:8443/"])
def test_a_public_url_is_taken_as_it_is(url: str) -> None:
    assert load(None, {"GCHAT_ADMIN_PUBLIC_URL": url}, {}).admin.public_url == url


@pytest.mark.parametrize(
    "url", ["chat.example", "ftp://chat.example", "https://", "https://a@b", "https://a/?b", "//a"]
)
def test_what_is_no_url_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(ConfigError, match="expected a URL such as"):
        load(None, {"GCHAT_ADMIN_PUBLIC_URL": url}, {})
