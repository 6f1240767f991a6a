"""The configuration: what the command line, the environment (GCHAT_SECTION_KEY), a file and the defaults say.

The settings themselves are in settings.py. `--print-config` and config/gchat.toml are made here.
"""

from __future__ import annotations

import codecs
import errno
import os
import re
import stat
from collections.abc import Iterable, Mapping

from gchat.model.errors import GchatError
from gchat.server import setting_values as values
from gchat.server.settings import ROWS, SENTENCES, Config


class ConfigError(GchatError):
    """The configuration cannot be used: says which key, what it was, and what was expected."""


#: The environment variable of each (section, key).
_VARIABLES = {f"GCHAT_{section}_{key}".upper(): (section, key) for section, keys in ROWS.items() for key in keys}


#: How alike a wrong name and the name that was probably meant are.
_ALIKE = 0.8


def load(path: str | None, environment: Mapping[str, str], arguments: Mapping[tuple[str, str], str]) -> Config:
    """Return the configuration; `arguments` maps (section, key) to what the command line says. Raises ConfigError.

    A file that cannot be read raises OSError. Variables that set nothing are in ignored().
    """
    config = Config()
    if path is not None:
        for section, key, value in _file_values(path):
            _set(config, section, key, value, where=f"{path}: {section}.{key}", strict=True)
    for name, value in environment.items():
        if (place := _VARIABLES.get(name)) and not _is_link(name, value):
            _set(config, *place, value, where=name, strict=False)
    for (section, key), text in arguments.items():
        _set(config, section, key, text, where=f"{section}.{key}", strict=False)
    if config.history.path == ":memory:":  # as in SQLite
        config.history.store, config.history.path = "memory", ""
    if config.admin.enabled and "/" not in config.admin.host and config.admin_port > 65535:
        raise ConfigError("the admin endpoint has no port after 65535; set admin.port, or type --no-admin")
    return config


def ignored(environment: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Return a warning for each variable that is probably a misspelled setting, and the names of the others."""
    misspelled, foreign = [], []
    known = [variable.removeprefix("GCHAT_") for variable in _VARIABLES]
    for name, value in environment.items():
        is_link = _is_link(name, value)
        if not name.startswith("GCHAT_") or (name in _VARIABLES and not is_link):
            continue
        meant = "" if is_link else _meant(name.removeprefix("GCHAT_").upper(), known)
        if meant:
            misspelled.append(f"unknown environment variable {name}, ignored; did you mean GCHAT_{meant}?")
        else:
            foreign.append(name)
    return misspelled, foreign


def _is_link(name: str, value: str) -> bool:
    """Return whether Kubernetes or docker has set this variable, to say where another container is.

    Beside a service called gchat-server: GCHAT_SERVER_PORT=tcp://10.0.0.1:8888, GCHAT_SERVER_SERVICE_HOST=10.0.0.1.
    """
    return re.match("(tcp|udp|sctp)://", value) is not None or re.search("_SERVICE_(HOST|PORT)(_|$)", name) is not None


def dump(config: Config) -> str:
    """Return `config` as TOML, each key with its sentence; load() reads it back as the same.

    But a password is not shown.
    """
    parts = ["# The configuration of gchat-server: every setting, with its default unless you changed it.\n"]
    for section, hints in ROWS.items():
        settings = getattr(config, section)
        parts.append(f"\n# {SENTENCES[section]}\n[{section}]\n")
        for key, hint in hints.items():
            shown = values.toml(values.public(getattr(settings, key), hint))
            parts.append(f"{key} = {shown}  # {values.meta(hint, 'description')}\n")
    return "".join(parts)


def changes(old: Config, new: Config) -> list[tuple[str, str]]:
    """Return the (section, key) pairs in which two configurations differ."""
    return [
        (section, key)
        for section, hints in ROWS.items()
        for key in hints
        if getattr(getattr(old, section), key) != getattr(getattr(new, section), key)
    ]


def _file_values(path: str) -> list[tuple[str, str, object]]:
    import tomllib  # noqa: PLC0415  # most servers have no file

    try:
        table = tomllib.loads(_read(path).removeprefix(codecs.BOM_UTF8).decode())
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not TOML: not UTF-8 at byte {error.start + 1}; save the file as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None
    except RecursionError:
        raise ConfigError(f"{path}: not TOML: nested too deeply") from None
    found = []
    for section, keys in table.items():
        if section not in ROWS and not isinstance(keys, dict):
            raise ConfigError(
                f"{path}: {section} = {values.shown(keys)}: expected a section; {_expected_section(section)}"
            )
        if section not in ROWS:
            raise ConfigError(f"{path}: unknown section [{section}]; {_expected_name(section, ROWS, '[{}]')}")
        if not isinstance(keys, dict):
            raise ConfigError(f"{path}: {section} = {values.shown(keys)}: expected a section, [{section}]")
        for key, value in keys.items():
            if key not in ROWS[section]:
                raise ConfigError(f"{path}: unknown key {section}.{key}; {_expected_key(section, key)}")
            found.append((section, key, value))
    return found


def _read(path: str) -> bytes:
    """Return the content of a regular file: a FIFO would be waited for, a device may be endless. Raises OSError."""
    kind = stat.S_IFMT(os.stat(path).st_mode)
    if kind != stat.S_IFREG:
        what = {stat.S_IFDIR: "a directory", stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket"}.get(kind, "a device")
        error = errno.EISDIR if kind == stat.S_IFDIR else errno.EINVAL
        raise OSError(error, f"it is {what}; expected a regular file")
    with open(path, "rb") as file:
        return file.read()


def _expected_key(section: str, key: str) -> str:
    """Return what was probably meant by an unknown key, or which keys there are."""
    elsewhere = [other for other, keys in ROWS.items() if key in keys]
    if elsewhere:
        return f"did you mean {elsewhere[0]}.{key}?"
    return _expected_name(key, ROWS[section], section + ".{}")


def _expected_section(key: str) -> str:
    """Return in which section a key at the top of the file was probably meant to be."""
    sections = [f"[{section}]" for section, keys in ROWS.items() if key in keys]
    return f"did you mean {key} in {' or '.join(sections)}?" if sections else f"there are {', '.join(ROWS)}"


def _expected_name(name: str, known: Iterable[str], shown: str) -> str:
    meant = _meant(name, known)
    return f"did you mean {shown.format(meant)}?" if meant else f"expected one of {', '.join(known)}"


def _meant(name: str, known: Iterable[str]) -> str:
    """Return the known name that is most like this one; "" if none is."""
    from difflib import get_close_matches  # noqa: PLC0415

    return next(iter(get_close_matches(name, list(known), 1, _ALIKE)), "")


def _set(config: Config, section: str, key: str, value: object, *, where: str, strict: bool) -> None:
    hint = ROWS[section][key]
    try:
        converted = values.converted(value, hint, strict=strict)
    except ValueError as error:
        shown = "…" if values.is_secret(hint) else values.shown(value)
        raise ConfigError(f"{where} = {shown}: expected {error}") from None
    setattr(getattr(config, section), key, converted)
