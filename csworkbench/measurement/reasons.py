# SPDX-License-Identifier: Apache-2.0
"""Why samples were lost or not known, in words (the numbers are those of probes/FORMAT.md)."""

from collections.abc import Iterable

from csworkbench.model.lane import Prober
from csworkbench.model.sample import Reason

from .outage import NOT_SENT

Counted = Iterable[tuple[Reason, int, int]]

# A vantage is a Linux machine; the recording host may have other numbers.
ERRNO = {
    1: "EPERM", 2: "ENOENT", 5: "EIO", 6: "ENXIO", 11: "EAGAIN", 12: "ENOMEM", 13: "EACCES", 19: "ENODEV", 22: "EINVAL",
    23: "ENFILE", 24: "EMFILE", 28: "ENOSPC", 32: "EPIPE", 90: "EMSGSIZE", 98: "EADDRINUSE", 99: "EADDRNOTAVAIL",
    100: "ENETDOWN", 101: "ENETUNREACH", 103: "ECONNABORTED", 104: "ECONNRESET", 105: "ENOBUFS", 110: "ETIMEDOUT",
    111: "ECONNREFUSED", 112: "EHOSTDOWN", 113: "EHOSTUNREACH",
}  # fmt: skip
ICMP = {
    (3, 0): "network", (3, 1): "host", (3, 2): "protocol", (3, 3): "port", (3, 4): "too big",
    (3, 9): "network prohibited", (3, 10): "host prohibited", (3, 13): "prohibited", (11, 0): "hops exceeded",
    (11, 1): "reassembly",
}  # fmt: skip
ICMP6 = {
    (1, 0): "no route", (1, 1): "prohibited", (1, 3): "address", (1, 4): "port", (1, 5): "source", (1, 6): "rejected",
    (3, 0): "hops exceeded", (3, 1): "reassembly",
}  # fmt: skip
RCODE = {1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}
NUD = {1: "INCOMPLETE", 32: "FAILED"}
NAK = 6


def cause_text(reason: Reason, detail: int, prober: Prober, *, ipv6: bool = False) -> str:
    """One cause: `timeout`, `unreachable: host 3/1`, `wrong: status 503`, `self: ENOBUFS`, `self: not sent`."""
    if reason is Reason.SELF_LATE:
        return "self: not sent in time" if detail == NOT_SENT else "self: late"
    if reason is Reason.SELF_STOPPED:
        return "self: was stopping"
    if reason is Reason.SELF_ERROR:
        return f"self: {_errno(detail)}" if detail > 0 else "self: error"
    text = _detail(reason, detail, prober, ipv6) if detail > 0 else ""
    word = "wrong content" if reason is Reason.WRONG and not text else reason.text
    return f"{word}: {text}" if text else word


def causes_text(counted: Counted, prober: Prober, *, ipv6: bool = False) -> str:
    """All of them with their counts, in the order given: `timeout 12, refused 3`."""
    return ", ".join(f"{cause_text(reason, detail, prober, ipv6=ipv6)} {n}" for reason, detail, n in counted)


def _detail(reason: Reason, detail: int, prober: Prober, ipv6: bool) -> str:
    if reason is Reason.WRONG:
        if prober is Prober.DNS:
            return RCODE.get(detail, f"rcode {detail}")
        if prober is Prober.HTTP:
            return f"status {detail}"
        return "NAK" if prober is Prober.DHCP and detail == NAK else ""
    if reason is Reason.ABSENT:
        return NUD.get(detail, f"state {detail}")
    if reason is Reason.REFUSED and detail < 256:
        return ""  # ECONNREFUSED says no more than the word
    return _icmp(detail, ipv6) if detail >= 256 else _errno(detail)


def _errno(number: int) -> str:
    return ERRNO.get(number, f"errno {number}")


def _icmp(detail: int, ipv6: bool) -> str:
    pair = divmod(detail, 256)
    name = (ICMP6 if ipv6 else ICMP).get(pair, "")
    return f"{name} {pair[0]}/{pair[1]}".strip() if name else f"ICMP {pair[0]}/{pair[1]}"
