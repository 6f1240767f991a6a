"""Accounts: whose a nick is, what a secret may be, and what stands for one that cannot be read."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gchat.chat import accounts as module
from gchat.chat.accounts import Account, Accounts, good, key_of, normal, stored
from gchat.chat.networks import Network
from gchat.model.errors import Code, Refusal

HASH = "$argon2id$v=19$m=19456,t=2,p=1$c3Nzc3Nzc3Nzc3Nzc3Nzcw$6pUSAXnHlnXIIBncjRw9QzYqVEqMlRDZ3NEWNy5fRjs"
LINEAGE = "0" * 32


def account(name: str, network: str = "") -> Account:
    return Account(name, HASH, LINEAGE, network=network)


def code(call: object) -> Code:
    with pytest.raises(Refusal) as refused:
        call()  # type: ignore[operator]
    return refused.value.code


def test_a_nick_is_its_owners_in_any_case_and_so_is_what_looks_like_it() -> None:
    accounts = Accounts()
    accounts.add(account("Ian"))

    for nick in ("Ian", "ian", "IAN", "lan", "ｉａｎ"):
        assert code(lambda nick=nick: accounts.check_free(nick)) is Code.REGISTERED
        accounts.check_free(nick, account="Ian")
    accounts.check_free("ann")
    assert accounts.find("iAN").name == "Ian"
    assert code(lambda: accounts.find("lan")) is Code.NO_SUCH_USER
    accounts.remove("ian")
    accounts.check_free("lan")
    assert not len(accounts)


def test_a_nick_that_differs_only_in_marks_is_its_owners_too_and_each_owner_has_its_own() -> None:
    accounts = Accounts()
    accounts.add(account("BannZay"))
    accounts.add(account("Zoë"))
    accounts.add(account("Zoe"))  # as one that was stored before
    for nick in ("BannZaỵ", "BannZay\u0323", "BánnZay", "BannZay\u0332", "BannZay\u0336"):
        assert code(lambda nick=nick: accounts.check_free(nick)) is Code.REGISTERED
    for nick in ("Zoë", "Zoe"):
        accounts.check_free(nick, account=nick)


def test_accounts_are_bounded_in_all_and_for_each_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_FROM_NETWORK", 2)
    monkeypatch.setattr(module, "MAX_ACCOUNTS", 4)
    accounts, far = Accounts(), Network("192.0.2.7", is_exempt=False)
    for name in ("a1", "b2"):
        accounts.check_place(far, "cloak")
        accounts.add(account(name, "cloak"))
    assert code(lambda: accounts.check_place(far, "cloak")) is Code.TOO_MUCH
    accounts.check_place(far, "another")
    accounts.check_place(Network("127.0.0.1", is_exempt=True), "cloak")
    accounts.remove("a1")
    accounts.check_place(far, "cloak")
    for name in ("c3", "d4", "e5"):
        accounts.add(account(name))
    assert code(lambda: accounts.check_place(Network("127.0.0.1", is_exempt=True), "")) is Code.TOO_MUCH


@pytest.mark.parametrize(
    "secret",
    ["", " ", "tea4two", "       x", "a" * 129, "a" * 1_000_000, "aaaabbbb", "christopher", "CHRISTOPHER",
     "/quit now", "／quit no", "tab\there!", "\x00" * 9, "\u200b" * 9, "\ud800abcdefgh"],
)  # fmt: skip
def test_a_secret_that_is_none_or_easy_is_refused_and_not_shown(secret: str) -> None:
    with pytest.raises(Refusal) as refused:
        good(secret, "Christopher")
    assert refused.value.code is Code.WEAK_SECRET
    assert not secret.strip() or len(secret) > 100 or secret not in refused.value.message


@pytest.mark.parametrize(
    "secret",
    [
        "tea4two!",
        "correct horse battery staple",
        "парольпароль",
        "密码密码密码密码一二三四",
        "p\u00e9n\u00e9lope",
        "\U0001f511" * 5 + "abc",
    ],
)
def test_a_secret_of_eight_characters_of_any_script_is_good(secret: str) -> None:
    assert len(good(secret, "alice")) >= 8


def test_a_secret_is_the_same_however_its_letters_are_composed_and_whatever_is_around_it() -> None:
    assert (
        good("p\u00e9n\u00e9lope", "alice")
        == good("pe\u0301ne\u0301lope", "alice")
        == normal(" pe\u0301ne\u0301lope\r")
    )


@given(st.text(max_size=140))
def test_what_is_good_stays_as_it_is_when_it_is_typed_again(secret: str) -> None:
    try:
        found = good(secret, "alice")
    except Refusal:
        return
    assert normal(secret) == normal(found) == found


@pytest.mark.parametrize(
    "note",
    [
        b"", b"{}", b"null", b'{"name":"alice"}', b'{"name":"alice","hash":"","lineage":""}',
        msgspec.json.encode(account("alice")).replace(b"m=19456", b"m=99999999"),
        msgspec.json.encode(account("alice")).replace(b"argon2id", b"argon2i"),
        msgspec.json.encode(account("alice")).replace(b"lineage", b"linage"),
        msgspec.json.encode(account("alice"))[:-4],
        msgspec.json.encode(account("mallory")),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_a_closed_account(note: bytes) -> None:
    try:
        found = msgspec.json.decode(note, type=Account)
    except msgspec.DecodeError:
        found = module.UNREADABLE
    found = stored("alice", found)

    assert found.is_closed
    accounts = Accounts()
    accounts.add(found)
    assert code(lambda: accounts.find("alice")) is Code.WRONG_SECRET
    assert code(lambda: accounts.check_free("Alice")) is Code.REGISTERED


def test_what_is_stored_is_what_is_loaded() -> None:
    note = msgspec.json.encode(account("Zoë"))
    assert stored(key_of("Zoë"), msgspec.json.decode(note, type=Account)) == account("Zoë")


def test_an_account_shows_no_hash() -> None:
    assert HASH not in repr(account("alice"))


def test_what_is_restored_is_there_and_nothing_else_is() -> None:
    found = Accounts()
    found.add(Account("old", "", ""))
    found.restore([Account("bob", "", "", network="n"), Account("alice", "", "", network="n")])

    assert [account.name for account in found] == ["bob", "alice"]
    assert found.owner("old") is None
    assert found._from == {"n": 2}
