# SPDX-License-Identifier: Apache-2.0
"""SSH key pairs: made or registered, listed, deleted; deployVirtualMachine puts them on the VM."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from csworkbench.lab import keypairs
from csworkbench.lab.api.errors import INTERNAL, ApiError, invalid_value
from csworkbench.lab.api.listing import Row, has_keyword, matches, owned_by, reply, row
from csworkbench.lab.api.registry import ACCOUNT, Arguments, Param, command
from csworkbench.lab.hosts import LabError
from csworkbench.lab.keypairs import KeyPair
from csworkbench.lab.sessions import current

if TYPE_CHECKING:
    from csworkbench.lab.management import Management

_KIND = "REGISTER.SSH.KEYPAIR"
_NAME = Param("name", required=True)
_OWNER = tuple(param for param in ACCOUNT if param.name in ("account", "domainid", "projectid"))


@command("createSSHKeyPair", "Create a new keypair and returns the private key", _NAME, *_OWNER)
async def create_key_pair(server: Management, arguments: Arguments) -> dict[str, Any]:
    """The reply is the only place where the private key ever is."""
    account = _account(server, arguments)
    _require_free_name(server, arguments["name"], account)
    try:
        private, public = await keypairs.generate()
    except LabError as error:
        raise ApiError(INTERNAL, str(error)) from error
    _require_free_name(server, arguments["name"], account)  # another call may have been faster
    pair = _keep(server, KeyPair(server.new_id(), arguments["name"], account, public), "creating ssh keypair")
    return {"keypair": {**_row(server, pair), "privatekey": private}}


@command(
    "registerSSHKeyPair",
    "Register a public key in a keypair under a certain name",
    _NAME,
    Param("publickey", required=True),
    *_OWNER,
)
async def register_key_pair(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Somebody's own public key."""
    account = _account(server, arguments)
    _require_free_name(server, arguments["name"], account)
    try:
        public = keypairs.checked(arguments["publickey"])
    except ValueError as error:
        raise invalid_value("Public key is invalid") from error
    pair = KeyPair(server.new_id(), arguments["name"], account, public)
    if any(other.fingerprint == pair.fingerprint for other in _of(server, account)):
        raise invalid_value(f"A key pair with fingerprint '{pair.fingerprint}' already exists.")
    return {"keypair": _row(server, _keep(server, pair, "registering ssh keypair"))}


@command(
    "listSSHKeyPairs",
    "List registered keypairs",
    Param("id", "uuid", entity="keypair", since=(4, 16)),
    Param("name"),
    Param("fingerprint"),
    *ACCOUNT,
)
async def list_key_pairs(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Key pairs without their private halves."""
    pairs = [pair for pair in server.key_pairs if owned_by(server, arguments, pair.account)]
    items = [_row(server, pair) for pair in pairs]
    shown = [item for item in items if matches(item, arguments, ("id", "name", "fingerprint"))]
    return reply("sshkeypair", [item for item in shown if has_keyword(item, arguments)], arguments)


@command("deleteSSHKeyPair", "Deletes a keypair by name", _NAME, *_OWNER)
async def delete_key_pair(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Forget a key pair; VMs that have the key keep it."""
    account = _account(server, arguments)
    pair = next((pair for pair in _of(server, account) if pair.name == arguments["name"]), None)
    if pair is None:
        text = f"A key pair with name '{arguments['name']}' does not exist for account {account} in specified domain id"
        raise invalid_value(text)
    server.key_pairs.remove(pair)
    return {"success": True}


def named(server: Management, arguments: Arguments) -> list[KeyPair]:
    """The key pairs in `keypair` and `keypairs` of the owner in `arguments`. Raises ApiError 431."""
    names = [*([arguments["keypair"]] if "keypair" in arguments else []), *arguments.get("keypairs", [])]
    own = {pair.name: pair for pair in _of(server, _account(server, arguments))}
    for name in names:
        if name not in own:
            raise invalid_value(f"A key pair with name '{name}' was not found.")
    return [own[name] for name in dict.fromkeys(names)]


def _account(server: Management, arguments: Arguments) -> str:
    """Whose key pair that is: the caller's own, unless a root admin names an account. Raises ApiError 431."""
    account = str(arguments.get("account", current().account))
    known = server.accounts.listing()
    if account not in known or (account != current().account and not current().root):
        raise invalid_value(f"Unable to find account {account} in the specified domain")
    return account


def _of(server: Management, account: str) -> Iterable[KeyPair]:
    return (pair for pair in server.key_pairs if pair.account == account)


def _require_free_name(server: Management, name: str, account: str) -> None:
    if any(pair.name == name for pair in _of(server, account)):
        raise invalid_value(f"A key pair with name '{name}' already exists.")


def _keep(server: Management, pair: KeyPair, doing: str) -> KeyPair:
    """Store it and write the event of a synchronous command: Completed alone."""
    server.key_pairs.append(pair)
    family = server.begin_unscheduled(_KIND, (pair.id, "SSHKeyPair", pair.name))
    family.add(_KIND, "Completed", f"Successfully completed {doing}. Id: {pair.id} name: {pair.name}")
    return pair


def _row(server: Management, pair: KeyPair) -> Row:
    return row(
        id=pair.id if server.profile.has(4, 16) else None,
        name=pair.name,
        fingerprint=pair.fingerprint,
        account=pair.account,
        domainid=server.fixtures.domain,
        domain="ROOT",
    )
