"""A long run: bytes that Atheris makes up, guided by which code they reach.

    python -m tests.fuzz TARGET [--seconds N | --runs N]
    python -m tests.fuzz --list

What fails is printed with its input. Put that as a file into tests/fuzz/corpus/TARGET, where every run of the tests
tries it again, and mend the fault. The last line says how many inputs were tried.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from typing import NoReturn

from tests.fuzz.seeds import directories, words

#: Their lines are counted; the rest of what is loaded is not.
MEASURED = ["gchat"]


def main() -> int:
    """Run one target."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.partition("\n")[0])
    parser.add_argument("target", nargs="?", metavar="TARGET", help="what to try; --list names them")
    parser.add_argument("--seconds", type=int, default=60, metavar="N", help="how long (60)")
    parser.add_argument("--runs", type=int, metavar="N", help="how many inputs, instead of how long")
    parser.add_argument("--list", action="store_true", help="print the names of all targets")
    args = parser.parse_args()
    try:
        import atheris
    except ImportError:
        print(
            "Atheris is not installed; pip install atheris, if there is one for this Python and this machine",
            file=sys.stderr,
        )
        return 1
    with atheris.instrument_imports(include=MEASURED):
        from tests.fuzz.targets import TARGETS, most_bytes
    if args.list or args.target not in TARGETS:
        print("\n".join(TARGETS))
        return 0 if args.list else 2
    return _run(args, most_bytes(args.target))


def _run(args: argparse.Namespace, max_bytes: int) -> NoReturn:
    import atheris

    from tests.fuzz.targets import TARGETS

    made = tempfile.mkdtemp(prefix="fuzz-")
    dictionary = os.path.join(made, "words")
    with open(dictionary, "w") as file:
        file.writelines('"' + "".join(f"\\x{byte:02x}" for byte in word) + '"\n' for word in words(args.target))
    limit = f"-atheris_runs={args.runs}" if args.runs else f"-max_total_time={args.seconds}"
    found = os.path.join(made, "found")
    os.mkdir(found)
    options = [
        limit,
        f"-max_len={max_bytes}",
        f"-dict={dictionary}",
        f"-artifact_prefix={made}/",
        "-print_final_stats=1",
    ]
    atheris.Setup([sys.argv[0], *options, found, *map(str, directories(args.target))], TARGETS[args.target])
    atheris.Fuzz()
    sys.exit(0)


if __name__ == "__main__":
    sys.exit(main())
