# SPDX-License-Identifier: Apache-2.0
"""Text that came from a server: made fit for one line of a terminal, and rid of secrets."""

import re
import unicodedata

LINE_LIMIT = 300
REPLY_LIMIT = 2_000
MASK = "***"

_SECRET_NAME = re.compile(r"password|passwd|secret|private_?key|user_?data|token|sessionkey|api_?key", re.IGNORECASE)
_NEVER_SHOWN = {"apikey", "signature", "sessionkey", "codefor2fa"}
_STRING = r'"(?:[^"\\]|\\.)*(?:"|$)'
_SECRET_FIELD = re.compile(
    rf'("[^"]{{0,40}}(?:{_SECRET_NAME.pattern})[^"]{{0,40}}"\s*:\s*){_STRING}', re.IGNORECASE | re.DOTALL
)
_SECRET_SETTING = re.compile(
    rf'("name"\s*:\s*"[^"]{{0,80}}(?:password|passwd|secret|token|key)[^"]{{0,80}}"\s*,\s*"value"\s*:\s*){_STRING}',
    re.IGNORECASE | re.DOTALL,
)


def one_line(text: object, limit: int = LINE_LIMIT) -> str:
    """`text` as one line of at most `limit` characters.

    Line breaks and tabs become blanks; other control, direction and surrogate characters become U+FFFD.
    """
    raw = str(text)[: 4 * limit]
    shown = "".join(_printable(c) for c in raw)
    line = " ".join(shown.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def plain_text(text: object, limit: int) -> str:
    """`text` of at most `limit` characters with its lines and columns kept: else only what one_line lets through."""
    raw = str(text)[:limit].replace("\r\n", "\n").expandtabs()
    return "\n".join("".join(_printable(char) for char in line).rstrip() for line in raw.split("\n")).rstrip()


def _printable(char: str) -> str:
    if char.isspace():
        return " "
    return "\ufffd" if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") else char


def shown_params(params: dict[str, str]) -> dict[str, str]:
    """The parameters of a call as they may be kept: no key and no signature, secret values masked, each bounded."""
    return {
        name: MASK if _SECRET_NAME.search(name) else value[:REPLY_LIMIT]
        for name, value in params.items()
        if name.lower() not in _NEVER_SHOWN
    }


def shown_reply(body: str, secrets: tuple[str, ...]) -> str:
    """The beginning of a reply as it may be kept: `secrets` and the values of secret fields masked.

    At most 2,000 characters. Control characters stay: escaping them is the viewers' business.
    """
    text = body[: 4 * REPLY_LIMIT]
    text = _SECRET_SETTING.sub(rf'\1"{MASK}"', _SECRET_FIELD.sub(rf'\1"{MASK}"', text))
    return without(text, secrets)[:REPLY_LIMIT]


def without(text: str, secrets: tuple[str, ...]) -> str:
    """`text` with each occurrence of a secret masked."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, MASK)
    return text
