"""How gchat-server --make-token makes a named token: in the running server, else in its file of tokens."""

from __future__ import annotations

import time

from gchat.admin.named_tokens import NamedTokens, NewToken, TokenMade, checked_name, checked_scope
from gchat.dialects.rich import rfc3339
from gchat.server.making import Making
from gchat.server.settings import Config
from gchat.server.state_files import tokens_path


def token_making(config: Config, name: str, scope: str) -> Making[TokenMade]:
    """Return how to make a token of the server that has this configuration. Raises BadToken, StartError."""
    tokens = NamedTokens(tokens_path(config, config.server.host, config.server.port))
    asked = NewToken(checked_name(name), checked_scope(scope))

    def store(_notes: object) -> TokenMade:
        tokens.load()
        secret = tokens.make(asked.name, asked.scope, rfc3339(time.time()))
        return TokenMade(asked.name, asked.scope, str(secret))

    return Making("/tokens", asked, TokenMade, store)
