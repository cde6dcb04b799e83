# SPDX-License-Identifier: Apache-2.0
"""A connection test: what answers at an endpoint, or what is wrong and what to do about it."""

import ssl

from csworkbench.cloudstack import Client, CloudStackError, Surroundings, Unauthorized, Unreachable
from csworkbench.cloudstack.errors import BadReply
from csworkbench.config import ConfigError
from csworkbench.config.clouds import Cloud
from csworkbench.tui.home import Tried

from .profile import open_client

TIMEOUT_S = 10.0
ADMIN_LISTS = {"listHosts": "hosts", "listSystemVms": "system VMs", "listConfigurations": "settings"}
SKEW_S = 60.0


async def try_cloud(cloud: Cloud) -> Tried:
    """Ask for what the server offers; changes nothing."""
    try:
        async with open_client(cloud, around=Surroundings(timeout_s=TIMEOUT_S), may_ask=False) as client:
            try:
                offers = await client.capabilities()
            except Unauthorized as error:
                return _refused(error, _skew_s(client))
    except ConfigError as error:
        return Tried(False, str(error), "Correct it, then test again.")
    except ssl.SSLError as error:
        return Tried(False, f"{cloud.ca_file} is no file of CA certificates ({error})", "Give a file in PEM form.")
    except CloudStackError as error:
        return _explained(error, cloud)
    hidden = [noun for command, noun in ADMIN_LISTS.items() if not offers.has(command)]
    version = f"CloudStack {offers.version}" if offers.version else "a CloudStack that hides its version"
    if hidden:
        text = f"This key may not list {', '.join(hidden)}: a root admin's key lets more checks speak."
        return Tried(True, f"{version} answers", text)
    return Tried(True, f"{version} answers, and the key sees the infrastructure")


def _skew_s(client: Client) -> float:
    """Seconds by which the server's clock is ahead of this host's; 0 while it is unknown."""
    if not client.server_clock.known:
        return 0.0
    return client.server_clock.now_s(client.around.clock_ns()) - client.around.wall_s()


def _refused(error: CloudStackError, skew_s: float) -> Tried:
    if abs(skew_s) > SKEW_S:
        ahead = "behind" if skew_s > 0 else "ahead"
        return Tried(
            False,
            f"the server refuses the key, and this host's clock is {abs(skew_s):.0f} s {ahead} of the server's",
            "Set the clock first: signatures expire. Then check key and secret.",
        )
    return Tried(
        False,
        f"the server answers, but refuses this key or its secret: {error.text}",
        "Copy both again from the user's page in CloudStack; the user must be enabled, and may be bound to addresses.",
    )


def _explained(error: CloudStackError, cloud: Cloud) -> Tried:
    if isinstance(error, BadReply):
        return Tried(
            False,
            f"what answers at {cloud.endpoint} is not a CloudStack API: {error.text}",
            "The endpoint is https://HOST:8443/client/api, or that of the proxy before it.",
        )
    if isinstance(error, Unreachable) and "certificate" in error.text:
        return Tried(
            False,
            error.text,
            "Give the file of the CA that signed it (CA file), or ask who runs the server for it.",
        )
    return Tried(False, error.text, error.hint)
