"""The address of an engine, as its users write it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gchat.cluster.engine_url import BadUrl, EngineUrl, parsed, without_secret


@pytest.mark.parametrize(
    ("text", "url", "shown"),
    [
        ("valkey://db", EngineUrl((("db", 6379),)), "valkey://db:6379/0"),
        ("redis://db:1/2", EngineUrl((("db", 1),), database=2), "valkey://db:1/2"),
        ("valkeys://[::1]:7", EngineUrl((("::1", 7),), is_encrypted=True), "valkeys://[::1]:7/0"),
        ("valkey://:pw@db", EngineUrl((("db", 6379),), password="pw"), "valkey://db:6379/0"),
        ("valkey://chat:p%40w@db", EngineUrl((("db", 6379),), user="chat", password="p@w"), "valkey://db:6379/0"),
        ("unix:///run/valkey.sock", EngineUrl(path="/run/valkey.sock"), "unix:///run/valkey.sock"),
        ("unix://:pw@/run/s?db=3", EngineUrl(path="/run/s", password="pw", database=3), "unix:///run/s"),
        (
            "valkey+sentinel://:pw@s1,s2:5,s3/gchat",
            EngineUrl((("s1", 26379), ("s2", 5), ("s3", 26379)), password="pw", primary="gchat"),
            "valkey+sentinel://s1:26379,s2:5,s3:26379/gchat",
        ),
        (
            "rediss+sentinel://s1/gchat/2",
            EngineUrl((("s1", 26379),), database=2, is_encrypted=True, primary="gchat"),
            "valkeys+sentinel://s1:26379/gchat/2",
        ),
    ],
)
def test_an_address_is_understood_and_shown_without_its_password(text: str, url: EngineUrl, shown: str) -> None:
    assert parsed(text) == url
    assert str(url) == shown
    assert parsed(shown).hosts == url.hosts


# https://github.com/redis/redis-rb/issues/863, https://github.com/phpredis/phpredis/issues/1631 and
# https://github.com/cameronmaske/celery-once/issues/135: passwords as services make them could not be given.
@pytest.mark.parametrize("password", ["a/b", "a@b", "a:b", "a?b", "a#b", "@", "/", "p@ss:w/rd", "y1+h=", "57%W"])
def test_a_password_may_have_any_letter(password: str) -> None:
    for scheme, rest in (("valkey", "db:1/2"), ("valkey+sentinel", "s1,s2/gchat")):
        found = parsed(f"{scheme}://:{password}@{rest}")
        assert found.password == password
        assert found.hosts[0][0] in ("db", "s1")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("db:6379", '"db:6379" is no address of an engine; expected valkey://HOST:PORT'),
        ("http://db", '"http://db" is no address of an engine'),
        ("valkey://", '"valkey://" is no address of an engine'),
        ("valkey://db:port", '"db:port" is no host'),
        ("valkey://db/one", '"one" is no database; expected a number, such as 0'),
        ("valkey://a,b", "has several hosts; only valkey+sentinel:// takes several"),
        ("valkey+sentinel://s1", "does not name the primary; expected valkey+sentinel://HOST,HOST/NAME"),
        ("unix://run/s", '"unix://run/s" is no absolute path'),
        ("http://:secret@db", '"http://db" is no address of an engine'),
        ("valkey://:secret@a,b", '"valkey://a,b" has several hosts'),
        ("valkey+sentinel://:se/cret@s1", '"valkey+sentinel://s1" does not name the primary'),
    ],
)
def test_what_is_no_address_is_refused_in_one_line_without_the_password(text: str, why: str) -> None:
    with pytest.raises(BadUrl) as caught:
        parsed(text)
    assert why in str(caught.value)
    assert "cret" not in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.text(), st.sampled_from(["valkey", "unix", "valkey+sentinel", "x", ""]))
def test_whatever_is_given_is_an_address_or_is_refused(text: str, scheme: str) -> None:
    said = [without_secret(f"{scheme}://:5ecret5@{text}")]
    try:
        said.append(str(parsed(f"{scheme}://:5ecret5@{text}")))
    except BadUrl as error:
        said.append(str(error))
    assert not [line for line in said if "5ecret5" in line]
