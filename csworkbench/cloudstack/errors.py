# SPDX-License-Identifier: Apache-2.0
"""What can go wrong with an API call (cloudstack-api.md 1.7). `str(error)` is one line for a terminal."""

import re
from typing import ClassVar

from .text import one_line, without

_WAIT = re.compile(r"(\d{1,6})\s*(?:ms|milli)", re.IGNORECASE)
MAX_WAIT_S = 10.0


class CloudStackError(Exception):
    """An API call failed. `text` is the server's or the system's own, on one line; `hint` says what to do next."""

    advice: ClassVar[str] = "Look at the management server's log at this time."
    retryable: ClassVar[bool] = False  # the same call may well work a moment later

    def __init__(
        self,
        command: str,
        text: str,
        *,
        http_status: int = 0,
        error_code: int = 0,
        cs_error_code: int = 0,
        hint: str = "",
    ) -> None:
        self.command = one_line(command, 80)
        self.text = one_line(text) or "no reason given"
        self.http_status = http_status
        self.error_code = error_code
        self.cs_error_code = cs_error_code
        self.hint = hint or self.advice
        super().__init__(str(self))

    def mask(self, secrets: tuple[str, ...]) -> None:
        """Take secrets out that a server has echoed."""
        self.text = without(self.text, secrets)
        self.args = (str(self),)

    def __str__(self) -> str:
        code = f" ({self.error_code or self.http_status})" if self.error_code or self.http_status else ""
        stop = "" if self.text.endswith((".", "!", "?", "…")) else "."
        return f"{self.command}{code}: {self.text}{stop} {self.hint}".strip()


class Unauthorized(CloudStackError):
    """401: bad or expired signature, unknown key, disabled account, wrong source address, or a command not allowed."""

    advice = "Check API key and secret, this host's clock, and that the key's role may make this call."


class RateLimited(CloudStackError):
    """429: too many calls; `wait_s` is what the server asks for, at most 10 s."""

    advice = "Wait a moment, or raise api.throttling.max on the server."
    retryable = True

    @property
    def wait_s(self) -> float:
        """Seconds to wait, from the server's text; 1 when it does not say."""
        found = _WAIT.search(self.text)
        return min(int(found.group(1)) / 1000, MAX_WAIT_S) if found else 1.0


class BadParameter(CloudStackError):
    """430, 431: a parameter is malformed or missing, or its id is unknown."""

    advice = "Check the ids: the object may have been deleted."


class Unsupported(CloudStackError):
    """432: the server does not know this command, or does not offer it to this account."""

    advice = "This version of CloudStack, or this role, does not offer the call."


class Maintenance(CloudStackError):
    """503: the management server takes no new jobs."""

    advice = "The management server is in maintenance or shuts down: try again when it is back, or use another one."
    retryable = True


class TwoFactor(CloudStackError):
    """511: a second factor is needed."""

    advice = "Give the code when it is asked for, or use an API key: signed calls need no second factor."


class Internal(CloudStackError):
    """530: internal error, also CloudStack's general "command failed"."""


class Account(CloudStackError):
    """531: the account has no permission on the object."""

    advice = "Use the key of the owner or of an administrator."


class Limit(CloudStackError):
    """532: a resource limit of the account is reached."""

    advice = "Raise the account's or the domain's resource limit."


class Capacity(CloudStackError):
    """533: no host or address is left for it."""

    advice = "Free capacity in the zone: a restart that builds a new router needs room for one more."


class Unavailable(CloudStackError):
    """534: host or agent down, or the router needs an upgrade first."""

    advice = "Check the router's host; if the router requires an upgrade, restart the network with cleanup=true."


class Allocation(CloudStackError):
    """535: a resource could not be allocated."""

    advice = "Check free addresses and storage in the zone."


class InUse(CloudStackError):
    """536: the object is in use."""

    advice = "Wait for the job that uses it, then try again."


class Conflict(CloudStackError):
    """537: a network rule conflicts with another."""

    advice = "List the rules on this address and port and remove the conflicting one."


class NotByPost(CloudStackError):
    """400, 405: the server wants another method."""

    advice = "Check that the endpoint is the server's own address: a redirect or a proxy may have changed the method."


class ReadOnly(CloudStackError):
    """This client may only look: the call would change something and was not sent."""

    advice = "Take `read_only` out of the cloud's profile, or leave out --read-only, to change anything."


class Unreachable(CloudStackError):
    """No reply. `maybe_sent` is True when the server may have received the call nevertheless."""

    retryable = True

    def __init__(self, command: str, text: str, *, hint: str, maybe_sent: bool, retryable: bool = True) -> None:
        self.maybe_sent = maybe_sent
        self.may_recover = retryable
        super().__init__(command, text, hint=hint)


class BadReply(CloudStackError):
    """A reply that is not CloudStack's: a proxy's page, nothing at all, too much of it, or broken JSON."""

    advice = "Check that the endpoint ends in /client/api and that no proxy answers in its place."


class BadTarget(CloudStackError):
    """What the operation should act on cannot be told."""


class UnknownNetwork(BadTarget):
    """No network has this name or id."""


class AmbiguousNetwork(BadTarget):
    """Several networks have this name."""


BY_CODE: dict[int, type[CloudStackError]] = {
    400: NotByPost, 401: Unauthorized, 405: NotByPost, 429: RateLimited, 430: BadParameter, 431: BadParameter,
    432: Unsupported, 503: Maintenance, 511: TwoFactor, 530: Internal, 531: Account, 532: Limit, 533: Capacity,
    534: Unavailable, 535: Allocation, 536: InUse, 537: Conflict,
}  # fmt: skip


def error_for(command: str, http_status: int, error_code: int, cs_error_code: int, text: str) -> CloudStackError:
    """The error of the class that belongs to the code; a code of no class is a plain CloudStackError."""
    kind = BY_CODE.get(error_code) or BY_CODE.get(http_status) or CloudStackError
    return kind(command, text, http_status=http_status, error_code=error_code, cs_error_code=cs_error_code)


def worth_retrying(error: CloudStackError) -> bool:
    """True when the same read may work a moment later: no connection, 429, 503, or a gateway that finds no server."""
    if isinstance(error, Unreachable):
        return error.may_recover
    return error.retryable or (isinstance(error, BadReply) and error.http_status in (502, 503, 504))
