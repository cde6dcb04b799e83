# SPDX-License-Identifier: Apache-2.0
"""Resource limits of the account to which the networks belong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from csworkbench.lab.api.errors import RESOURCE_ALLOCATION, ApiError

if TYPE_CHECKING:
    from csworkbench.lab.management import Management


def require_public_ip(server: Management) -> None:
    """Raises ApiError 535 when the account has as many addresses as `max.account.public.ips` allows (-1: any number).

    CloudStack's own default is 20; the test cloud's is -1, because `lab up --vms 100` starts with more.
    """
    most = server.settings.number("max.account.public.ips")
    if 0 <= most <= len(server.ips):
        text = f"Maximum number of resources of type 'public_ip' for account name={server.owner} has been exceeded."
        raise ApiError(RESOURCE_ALLOCATION, text, None)
