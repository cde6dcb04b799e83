# SPDX-License-Identifier: Apache-2.0
"""Resource limits in force, what is used of them, and the refusals.

CloudStack answers differently by resource: an address beyond the limit is 532 (AccountLimitException, from
IpAddressManager), a VM beyond it 535 (ResourceAllocationException).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from csworkbench.lab.api.errors import ACCOUNT_LIMIT, RESOURCE_ALLOCATION, ApiError
from csworkbench.lab.limits import UNLIMITED, Resource
from csworkbench.lab.sessions import Caller

if TYPE_CHECKING:
    from csworkbench.lab.management import Management

_ACCOUNT_LIMIT_CODE = 4280
_GONE = frozenset({"Destroyed", "Expunging", "Error"})
_SETTINGS = {
    Resource.user_vm: "max.account.user.vms",
    Resource.public_ip: "max.account.public.ips",
    Resource.network: "max.account.networks",
}
"""Where the limits come from that nobody has set. CloudStack's own defaults are 20; the test cloud's are -1, because
`lab up --vms 100` starts with more."""


def most(server: Management, account: Caller, resource: Resource) -> int:
    """How many the account may have; -1: any number, and so for every root admin."""
    if account.root:
        return UNLIMITED
    given = server.limits.of(account.account_id, resource)
    if given is not None:
        return given
    return server.settings.number(_SETTINGS[resource]) if resource in _SETTINGS else UNLIMITED


def used(server: Management, account: Caller, resource: Resource) -> int:
    """How many the account has; only what this cloud has is counted."""
    if account.account != server.owner:
        return 0
    match resource:
        case Resource.user_vm:
            return sum(vm.state not in _GONE for vm in server.vms)
        case Resource.public_ip:
            return len(server.ips)
        case Resource.network:
            return len(server.networks)
    return 0


def require_public_ip(server: Management) -> None:
    """Raises ApiError 532 when the network's account may not have one more address."""
    account = _owner(server)
    if _exhausted(server, account, Resource.public_ip):
        text = f"Maximum number of public IP addresses for account: {account.account} has been exceeded."
        raise ApiError(ACCOUNT_LIMIT, text, _ACCOUNT_LIMIT_CODE)


def require_instance(server: Management) -> None:
    """Raises ApiError 535 when the network's account may not have one more VM."""
    account = _owner(server)
    if _exhausted(server, account, Resource.user_vm):
        text = (
            f"Maximum number of resources of type 'user_vm' for account name={account.account} "
            f"in domain id={account.domain.id} has been exceeded."
        )
        raise ApiError(RESOURCE_ALLOCATION, text)


def _owner(server: Management) -> Caller:
    return server.accounts.named(server.owner)


def _exhausted(server: Management, account: Caller, resource: Resource) -> bool:
    limit = most(server, account, resource)
    return 0 <= limit <= used(server, account, resource)
