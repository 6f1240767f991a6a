"""A dialogue with a person about secrets: what a command lacks is asked for, one answer after the other. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import structs

from gchat.model.commands import Passwd, Proving, Register, Unregister

#: What the user is told who has changed their mind.
NEVER_MIND = "Nothing is changed"

UNLIKE = "These were not the same; nothing is changed"

_UNSAFE = "Others can read along on this link, which --tls prevents. Send the secret all the same? (y/n) "


class SecretDialogue:
    """Asks for the secrets that `command` lacks, for the account `name`: a new one twice, because it is not seen.

    On a link that is not `is_private` the first question is whether to go on. If there is a directory to `keep_in`, the
    last is whether to keep the secret there. `prompt` is the question, `is_hidden` whether its answer is a secret;
    afterwards `told` says why nothing came of it, or `command` has its secrets.
    """

    def __init__(self, command: Proving, name: str, *, is_private: bool, keep_in: str) -> None:
        self.command = command
        self.prompt = ""
        self.is_hidden = False
        self.keeps = False  # whether the secret is to be kept
        self.told = ""
        self._name = name
        self._is_private = is_private
        self._keep_in = keep_in
        self._answer = ""
        self._steps = self._asked()
        self._go_on()

    @property
    def is_over(self) -> bool:
        """Whether there is nothing more to ask."""
        return not self.prompt

    def take(self, answer: str) -> None:
        """Take an answer to the question."""
        self._answer = answer
        self._go_on()

    def cancel(self) -> None:
        """End it: the user has changed their mind."""
        self.prompt, self.told = "", NEVER_MIND

    def _go_on(self) -> None:
        self.prompt = next(self._steps, "")
        self._answer = ""

    def _asked(self) -> Iterator[str]:
        """Ask one question after the other."""
        if not self._is_private:
            yield _UNSAFE
            if not self._is_yes:
                self.told = NEVER_MIND
                return
        secrets: list[str] = []
        for prompt, has, is_new in self._wanted():
            if has:
                secrets.append(has)
                continue
            self.is_hidden = True
            yield prompt
            secrets.append(self._answer)
            if is_new and self._answer:
                yield "The same once more: "
                if self._answer != secrets[-1]:
                    self.told = UNLIKE
                    return
            self.is_hidden = False
            if not secrets[-1].strip():
                self.told = NEVER_MIND
                return
        self.command = _filled(self.command, secrets)
        if self._keep_in and not isinstance(self.command, Unregister):
            yield f"Keep it in {self._keep_in}? (y/n) "
            self.keeps = self._is_yes

    @property
    def _is_yes(self) -> bool:
        return self._answer.strip().lower() in ("y", "yes")

    def _wanted(self) -> list[tuple[str, str, bool]]:
        """Return the question for each secret, the secret if it is there already, and whether it is a new one."""
        match self.command:
            case Register(secret=secret):
                return [(f"A secret for {self._name}, by which you log in: ", secret, True)]
            case Passwd(secret=secret, new=new):
                return [
                    (f"The secret of {self._name} now: ", secret, False),
                    (f"The new secret of {self._name}: ", new, True),
                ]
        return [(f"The secret of {self._name}: ", self.command.secret, False)]


def _filled(command: Proving, secrets: list[str]) -> Proving:
    if isinstance(command, Passwd):
        return structs.replace(command, secret=secrets[0], new=secrets[1])
    return structs.replace(command, secret=secrets[0])
