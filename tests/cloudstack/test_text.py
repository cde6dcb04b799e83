# SPDX-License-Identifier: Apache-2.0
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from csworkbench.cloudstack.text import one_line, shown_params, shown_reply


@given(st.text(max_size=500))
def test_one_line_is_one_line(text: str) -> None:
    line = one_line(text, 60)
    assert len(line) <= 60
    assert not any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in line)


def test_escape_sequences_lose_their_escape() -> None:
    assert one_line("a\x1b[31mred\n\tb\u202ec") == "a\ufffd[31mred b\ufffdc"


def test_parameters_lose_key_and_secrets() -> None:
    asked = {"apikey": "K", "signature": "S", "UserData": "IyE=", "password": "p", "id": "1", "newPassword": "q"}
    assert shown_params(asked) == {"UserData": "***", "password": "***", "id": "1", "newPassword": "***"}


def test_replies_lose_secrets() -> None:
    body = (
        r'{"password": "p\"q1","keypair":{"privatekey":"-----BEGIN"},"note":"secretKEY","id":"5",'
        '"category":"Advanced","name":"ldap.bind.password","value":"w1"}'
    )
    shown = shown_reply(body, ("secretKEY",))
    assert all(word not in shown for word in ("q1", "BEGIN", "secretKEY", "w1"))
    assert '"id":"5"' in shown


def test_a_secret_cut_in_the_middle_is_still_masked() -> None:
    assert "zz" not in shown_reply('{"password":"' + "z" * 20_000, ())
    assert len(shown_reply("x" * 100_000, ())) == 2_000
