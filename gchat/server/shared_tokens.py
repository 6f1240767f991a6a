"""Named tokens of a cluster: made at one node, and accepted and revoked at all of them."""

from __future__ import annotations

from gchat.admin.access import NamedToken
from gchat.admin.backend import NotPossible
from gchat.admin.named_tokens import NamedTokens, already_there
from gchat.admin.token_file import TokenError
from gchat.chat.operator_notes import OperatorNotes
from gchat.journal.notes import NoteKind
from gchat.server.notes_by_step import NotesByStep, NoteTaken
from gchat.server.saved_state import TOKENS

_TOKENS = NoteKind(TOKENS, NamedToken)  # by name

_UNREADABLE = NamedToken("", "", "", "")


class SharedTokens(NamedTokens):
    """The tokens in the notes that all nodes have; `kept` are those notes, and `notes` is how they change."""

    def __init__(self, notes: NotesByStep, kept: OperatorNotes) -> None:
        super().__init__()
        self._notes = notes
        self._kept = kept
        self._known_of = -1  # the changes of the notes that the tokens are made of

    def all(self) -> dict[str, NamedToken]:
        """See NamedTokens.all."""
        if self._known_of != (changes := self._kept.changes):
            found = _TOKENS.load(self._notes, _UNREADABLE)
            self._tokens = {name: token for name, token in found.items() if token is not _UNREADABLE}
            self._known_of = changes
        return self._tokens

    def put(self, name: str, token: NamedToken | None) -> None:
        """See NamedTokens.put. Waits."""
        try:
            _TOKENS.put(self._notes, name, token)
        except NoteTaken:
            raise already_there(name) from None
        except NotPossible as error:
            raise TokenError(str(error)) from None
