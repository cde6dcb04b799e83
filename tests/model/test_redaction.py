# SPDX-License-Identifier: Apache-2.0
"""No name, address or foreign text survives redaction; one input has one pseudonym; no field is forgotten."""

import types
from dataclasses import fields, is_dataclass
from enum import Enum
from ipaddress import ip_address, ip_network
from typing import Any, Union, get_args, get_origin, get_type_hints

from hypothesis import given
from hypothesis import strategies as st

from csworkbench.model import cloud, lane
from csworkbench.model import event as ev
from csworkbench.model.event import Event
from csworkbench.model.pseudonyms import Pseudonyms
from csworkbench.model.redaction import TREATMENTS, Redaction
from csworkbench.model.sample import Outcome, Reason, Sample


def texts_of(kind: type) -> dict[str, bool]:
    """The fields of a dataclass that can hold free text."""
    hints = get_type_hints(kind)
    return {one.name: holds_text(hints[one.name]) for one in fields(kind) if holds_text(hints[one.name])}


def holds_text(hint: Any) -> bool:
    if get_origin(hint) is None:
        return hint is str
    return any(holds_text(part) for part in get_args(hint))


def dataclasses_in(hint: Any, found: set[type]) -> None:
    if isinstance(hint, type) and is_dataclass(hint) and hint not in found:
        found.add(hint)
        for part in get_type_hints(hint).values():
            dataclasses_in(part, found)
    elif get_origin(hint) in (tuple, dict, list, Union, types.UnionType):
        for part in get_args(hint):
            dataclasses_in(part, found)


def test_every_field_that_holds_text_has_a_treatment() -> None:
    found: set[type] = set()
    for body in get_args(ev.Body):
        dataclasses_in(body, found)
    assert {cloud.Vm, lane.Keys, ev.Notice} <= found
    missing = {
        f"{kind.__name__}.{name}" for kind in found for name in set(texts_of(kind)) - set(TREATMENTS.get(kind, {}))
    }
    assert missing == set(), "say in model/redaction.py what becomes of them"
    for kind, treated in TREATMENTS.items():
        assert set(treated) == set(texts_of(kind)), kind


def test_holds_text_knows_the_shapes_that_events_use() -> None:
    assert holds_text(tuple[str, ...])
    assert holds_text(tuple[tuple[str, str], ...] | None)
    assert holds_text(bool | str | None)
    assert not holds_text(ev.Phase)
    assert not holds_text(int | None)
    assert issubclass(ev.Phase, Enum)


def redacted(*bodies: ev.Body) -> list[ev.Body]:
    redaction = Redaction()
    events = [Event(n, n, n, body) for n, body in enumerate(bodies, 1)]
    for event in events:
        redaction.learn(event)
    return [redaction.redact(event).body for event in events]


def test_names_and_addresses_have_one_pseudonym_in_fields_and_texts() -> None:
    network = cloud.Network("11111111-2222-3333-4444-555555555555", "acme-net", "Implemented", cidr="10.1.1.0/24")
    router = cloud.Router("id-9", "r-42-VM", "Running", version="4.22.0.0", guest_mac="02:00:4F:2a:00:01")
    vm = cloud.Vm("id-1", "payroll", "Running", "10.1.1.7", ip6="fd00:1::7")
    told = redacted(
        ev.Notice(ev.Level.INFO, "payroll (10.1.1.7, fd00:1::7) waits for r-42-VM 4.22.0.0, so bob: Disk full at x"),
        ev.InventorySeen(cloud.Inventory("4.22.0.0", network, (router,), (vm,))),
        ev.ApiCalled("listUsers", {"account": "bob", "listall": "true"}, "GET", 1, 2, 431, "Disk full at x",
                     '{"account": "carol", "email": "dora@acme.example"}'),
        ev.Notice(ev.Level.WARN, "carol logged in at db7.acme.example with /root/.ssh/acme_key; see 192.0.2.9"),
        ev.SecondOwner(1, 2, 3, 0x02004F2A0001),
    )  # fmt: skip
    text = repr(told)
    for word in (
        "payroll",
        "10.1.1",
        "fd00",
        "r-42",
        "bob",
        "carol",
        "dora",
        "acme",
        "Disk",
        "02:00:4",
        "192.0.2.9",
        "1111",
    ):
        assert word not in text, word
    seen, owner = told[1], told[4]
    assert isinstance(seen, ev.InventorySeen)
    assert isinstance(owner, ev.SecondOwner)
    made = seen.inventory
    assert isinstance(told[0], ev.Notice)
    assert told[0].text.startswith(
        f"{made.vms[0].name} ({made.vms[0].ip}, {made.vms[0].ip6}) waits for {made.routers[0].name} 4.22.0.0"
    )
    assert (made.server_version, made.network.state, made.routers[0].version) == ("4.22.0.0", "Implemented", "4.22.0.0")
    assert f"{owner.mac:012x}" == made.routers[0].guest_mac.replace(":", "")
    assert ip_network(made.network.cidr, strict=False).prefixlen == 24
    assert isinstance(told[2], ev.ApiCalled)
    assert (told[2].command, told[2].params["listall"], told[2].status) == ("listUsers", "true", 431)


ADDRESSES = st.ip_addresses().map(str)
NAMES = st.text(min_size=1, max_size=12)


@given(st.lists(ADDRESSES | NAMES, max_size=30))
def test_a_pseudonym_is_distinct_is_no_original_and_keeps_its_family(words: list[str]) -> None:
    names = Pseudonyms()
    for word in words:
        names.address(word)
    made = {word: names.address(word) for word in words}
    assert made == {word: names.address(word) for word in words}
    plain = {names.name(word) for word in words}
    assert len(plain) == len({_plain(word) for word in words})
    for word, other in made.items():
        if _is_address(word):
            assert ip_address(other).version == ip_address(word).version


@given(st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=8), st.data())
def test_no_known_name_stands_in_a_text_afterwards(words: list[str], data: st.DataObject) -> None:
    names = Pseudonyms()
    made = {names.name(word) for word in words}
    text = " ".join(data.draw(st.lists(st.sampled_from(words), min_size=1, max_size=6)))
    told = names.in_text(text)
    for word in words:
        if len(word) > 1 and word.isalpha() and not any(word.lower() in other.lower() for other in made):
            assert word not in told.split(" ")


def _is_address(word: str) -> bool:
    try:
        ip_address(word)
    except ValueError:
        return False
    return True


def _plain(word: str) -> str:
    return str(ip_address(word)) if _is_address(word) else word


def test_macs_and_contents_in_samples_are_replaced_and_still_differ() -> None:
    arp = lane.Lane(1, lane.Service.GATEWAY, lane.Prober.ARP, "vm", "10.1.1.1", 1, 1)
    dns = lane.Lane(2, lane.Service.DNS, lane.Prober.DNS, "vm", "10.1.1.1", 1, 1)

    def sample(value: int) -> Sample:
        return Sample(0, 5, 6, 7, Outcome.OK, Reason.NONE, 0, value)

    told = redacted(
        ev.LaneAdded(arp), ev.LaneAdded(dns),
        ev.SamplesArrived(1, (sample(0x02004F2A0001), sample(0x02004F2A0002), sample(0x02004F2A0001))),
        ev.SamplesArrived(2, (sample(0xDEADBEEF), sample(0))),
    )  # fmt: skip
    first, second = told[2], told[3]
    assert isinstance(first, ev.SamplesArrived)
    assert isinstance(second, ev.SamplesArrived)
    values = [s.value for s in first.samples]
    assert values[0] == values[2] != values[1]
    assert not {0x02004F2A0001, 0x02004F2A0002} & set(values)
    assert [s.value for s in second.samples] == [1, 0]
    assert [s[:7] for s in first.samples] == [sample(0)[:7]] * 3
