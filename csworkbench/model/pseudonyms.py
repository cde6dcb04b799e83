# SPDX-License-Identifier: Apache-2.0
"""Other names for names: the same input gives the same pseudonym, and two inputs never one."""

import re
from collections.abc import Callable, Iterator
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address
from itertools import count

_UUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_MAC = r"[0-9a-fA-F]{2}(?:[:-][0-9a-fA-F]{2}){5}"
_IPV4 = r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w]|\.\d)"
_IPV6 = r"(?<![\w:.])(?=[0-9a-fA-F:.]*:[0-9a-fA-F:.]*:)[0-9a-fA-F:.]{3,45}(?![\w:])"
# Paths, accounts at hosts, host names with dots.
_PLACE = (
    r"(?<![\w/])/[\w.@+-]+(?:/[\w.@+-]*)*|~[\w/.@+-]+|[\w.+-]+@[\w.:-]+|\b[\w-]+(?:\.[\w-]+)*\.[A-Za-z][A-Za-z0-9-]+\b"
)
_FOUND = re.compile(f"(?P<uuid>{_UUID})|(?P<mac>{_MAC})|(?P<ip6>{_IPV6})|(?P<ip4>{_IPV4})|(?P<place>{_PLACE})")
_KEPT_PLACES = re.compile(r"(?:e\.g|i\.e)\b.*|[A-Z]+(?:\.[A-Z]+)+", re.S)  # ROUTER.STOP is a kind of event


class Kind(StrEnum):
    """What a name is of; the first part of its pseudonym."""

    VM = "tenant"
    ROUTER = "router"
    NETWORK = "network"
    RULE = "rule"
    RUN = "run"
    HOST = "host"
    NAME = "name"
    TEXT = "text"
    ID = "id"


class Pseudonyms:
    """The mapping of one file, or of all files of one report. `learn…` all before the first `in_text`."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._numbers: dict[int, int] = {}
        self._kept: set[str] = set()
        self._counts: dict[str, Iterator[int]] = {}
        self._pattern: re.Pattern[str] | None = None
        self._folded: dict[str, str] = {}  # as _names, by lower case
        self._kept_folded: set[str] = set()

    @property
    def originals(self) -> frozenset[str]:
        """All that has been replaced so far."""
        return frozenset(self._names)

    def keep(self, word: str) -> None:
        """A word that stands as it is in texts too, e.g. a version that looks like an address."""
        if word:
            self._kept.add(word)

    def name(self, original: str, kind: Kind = Kind.NAME) -> str:
        """The pseudonym of a name; an address, MAC or UUID keeps its form, an empty text and `kept` words stay."""
        if not original or original in self._kept:
            return original
        known = self._names.get(original)
        if known is not None:
            return known
        address = _address(original)
        if address is not None:
            return self._ip(original, address)
        if re.fullmatch(_MAC, original):
            return self._mac(original)
        if re.fullmatch(_UUID, original):
            return self._make(original, "uuid", lambda n: f"00000000-0000-4000-8000-{n:012x}")
        return self._make(original, str(kind), lambda n: f"{kind}-{n}")

    def address(self, original: str) -> str:
        """As name, for an address, a prefix (its length stays) or a host name."""
        host, slash, length = original.partition("/")
        if slash and length.isdigit() and _address(host) is not None:
            return f"{self.name(host)}/{length}"
        return self.name(original, Kind.HOST)

    def mac_number(self, value: int) -> int:
        """As name, for a MAC in the low 48 bits of a number; 0 stays."""
        raw = f"{value & 0xFFFFFFFFFFFF:012x}"
        text = self.name(":".join(raw[i : i + 2] for i in range(0, 12, 2))) if value else ""
        return int(text.replace(":", ""), 16) if text else 0

    def number(self, value: int) -> int:
        """Another number of at most 32 bits for one that tells an address or a content; 0 stays."""
        if value and value not in self._numbers:
            self._numbers[value] = len(self._numbers) + 1
        return self._numbers[value] if value else 0

    def in_text(self, text: str) -> str:
        """Our own text with every known name, and whatever looks like an address, a path or a host, replaced."""
        if self._pattern is None:
            words = sorted(self._names.keys() | self._kept, key=len, reverse=True)
            either = "|".join(map(re.escape, words)) or r"(?!)"
            self._pattern = re.compile(rf"(?<!\w)(?i:{either})(?!\w)|{_FOUND.pattern}")
            self._kept_folded = {word.lower() for word in self._kept}
            self._folded = {word.lower(): made for word, made in self._names.items()}
        pattern = self._pattern
        told = pattern.sub(self._replaced, text)
        self._pattern = pattern  # what was found by its form alone is found by it again
        return told

    def _replaced(self, match: re.Match[str]) -> str:
        word = match[0]
        if word in self._names:
            return self._names[word]
        if word in self._kept or word in self._names.values():
            return word
        if word.lower() in self._folded:
            return self._folded[word.lower()]  # host names are written in any case
        if word.lower() in self._kept_folded or (match["place"] and _KEPT_PLACES.fullmatch(word)):
            return word
        if match["ip6"] or match["ip4"]:
            bare = word.rstrip(".")
            return word if _address(bare) is None else self.name(bare) + word[len(bare) :]
        return self.name(word, Kind.HOST)

    def _ip(self, original: str, address: IPv4Address | IPv6Address) -> str:
        if address.is_loopback or address.is_unspecified:
            return original  # every machine has these
        plain = str(address)
        if plain != original:  # one address however it is written
            return self._make(original, "", lambda _: self.name(plain))
        if isinstance(address, IPv4Address):
            return self._make(original, "ip4", lambda n: str(IPv4Address("198.18.0.0") + n))
        return self._make(original, "ip6", lambda n: str(IPv6Address("2001:db8::") + n))

    def _mac(self, original: str) -> str:
        plain = original.lower().replace("-", ":")
        if plain in ("00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff"):
            return original
        if plain != original:
            return self._make(original, "", lambda _: self.name(plain))
        return self._make(
            original, "mac", lambda n: ":".join(f"{0x0200_5E00_0000 + n:012x}"[i : i + 2] for i in range(0, 12, 2))
        )

    def _make(self, original: str, family: str, form: Callable[[int], str]) -> str:
        counting = self._counts.setdefault(family, count(1))
        made = next(text for n in counting if (text := form(n)) not in self._names)
        self._names[original] = made
        self._pattern = None
        return made


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
