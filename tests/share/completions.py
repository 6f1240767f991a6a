"""Completions for bash, zsh and fish."""

from __future__ import annotations

import argparse
from shlex import quote

from tests.share.options import DIRECTORIES, FILES, Option, Value, options_of

_MADE = "Made by python -m tests.share"

_BASH = """\
# Completion of {prog} for bash. {made}
{function}() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD - 1]}} kind= words= line
    # The equals sign of --option=value is a word of its own.
    if [[ $cur == = ]]; then
        cur=
    elif [[ $prev == = ]]; then
        prev=${{COMP_WORDS[COMP_CWORD - 2]}}
    fi
    case $prev in
{cases}
    *)
        case $cur in
        -*) words={options} ;;
        */*) kind=-f ;;
        esac
        ;;
    esac
    COMPREPLY=()
    if [[ $kind ]]; then
        compopt -o filenames 2>/dev/null
        while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen $kind -- "$cur")
    elif [[ $words ]]; then
        while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -W "$words" -- "$cur")
    fi
}}
complete -F {function} {prog}
"""

_ZSH = """\
#compdef {prog}
# Completion of {prog} for zsh. {made}
_{prog}() {{
    _arguments -S : \\
{specifications}
}}
if [[ $funcstack[1] == _{prog} ]]; then
    _{prog} "$@"
else
    compdef _{prog} {prog}
fi
"""


def bash(parser: argparse.ArgumentParser) -> str:
    """Return the completion for bash."""
    options = [option for option in options_of(parser) if option.names]
    cases = [
        f"    {' | '.join(option.names)}) {_bash_action(option.values[0])} ;;" for option in options if option.values
    ]
    names = " ".join(name for option in options for name in option.names)
    function = f"_{parser.prog.replace('-', '_')}"
    return _BASH.format(prog=parser.prog, made=_MADE, function=function, cases="\n".join(cases), options=quote(names))


def _bash_action(value: Value) -> str:
    if isinstance(value.kind, tuple):
        return f"words={quote(' '.join(value.kind))}"
    return {FILES: "kind=-f", DIRECTORIES: "kind=-d"}.get(value.kind, ":")


def zsh(parser: argparse.ArgumentParser) -> str:
    """Return the completion for zsh, for a directory of $fpath or to be sourced."""
    options = options_of(parser)
    arguments = [option for option in options if not option.names]
    specifications = [
        *(_zsh_option(option, name) for option in options for name in option.names),
        *(quote(f"{number}{_zsh_value(option.values[0])}") for number, option in enumerate(arguments, 1)),
    ]
    return _ZSH.format(
        prog=parser.prog, made=_MADE, specifications=" \\\n".join(f"        {each}" for each in specifications)
    )


def _zsh_option(option: Option, name: str) -> str:
    alone = "(- : *)" if "--help" in option.names or "--version" in option.names else ""
    text = "".join(f"\\{letter}" if letter in "[]:\\" else letter for letter in option.help)
    values = [_zsh_value(value) for value in option.values]
    if len(values) == 1 and name.startswith("--"):
        name += "="  # or as the next word
    if option.more:
        values[-1] = f":*{values[-1]}"
    return quote(f"{alone}{name}[{text}]{''.join(values)}")


def _zsh_value(value: Value) -> str:
    name = value.name.replace(":", "\\:")
    if isinstance(value.kind, tuple):
        return f":{name}:({' '.join(value.kind)})"
    action = {FILES: "_files", DIRECTORIES: "_files -/"}.get(value.kind, " ")
    return f":{name}:{action}"


def fish(parser: argparse.ArgumentParser) -> str:
    """Return the completion for fish."""
    lines = [f"# Completion of {parser.prog} for fish. {_MADE}", f"complete -c {parser.prog} -f"]
    for option in options_of(parser):
        if not option.names:
            continue
        names = " ".join(
            f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in reversed(option.names)
        )
        lines.append(f"complete -c {parser.prog} {names}{_fish_value(option)} -d {_fish(option.help)}")
    return "".join(f"{line}\n" for line in lines)


def _fish_value(option: Option) -> str:
    if not option.values:
        return ""
    kind = option.values[0].kind
    if kind == FILES:
        return " -r -F"
    if kind == DIRECTORIES:
        return " -x -a '(__fish_complete_directories)'"
    return f" -x -a {_fish(' '.join(kind))}" if kind else " -x"


def _fish(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
