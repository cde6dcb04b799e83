# SPDX-License-Identifier: Apache-2.0
"""Tenants to the outside: ICMP from each; new TCP and UDP flows and one held connection from a few."""

from csworkbench.model.lane import Keys, Prober, Service

from .draft import HEARTBEAT_S, Draft

ANY_ADDRESS = "0.0.0.0"  # noqa: S104 - `address` may be one that is translated to its own
WHAT = "new TCP, new UDP, held connection"


def egress(draft: Draft) -> None:
    """ICMP as new flow (the headline) and same flow; the rest to a listener on the outside vantage."""
    targets, intervals = draft.targets, draft.intervals
    for vantage in draft.tenants:
        for flow in ("new", "same"):
            draft.add(
                Service.EGRESS, Prober.ICMP, vantage, draft.egress_target, intervals.icmp,
                flow=flow, headline=flow == "new",
            )  # fmt: skip
    outside = draft.outside
    if not draft.targets.wants(Service.EGRESS) or not draft.tenants:
        return
    if outside is None:
        draft.leave_out(Service.EGRESS, WHAT, "there is no outside vantage to answer")
        return
    if not targets.outside:
        draft.leave_out(
            Service.EGRESS, WHAT, "vantages.outside.address is not given: where tenants reach the outside vantage"
        )
        return
    at, port = targets.outside, targets.outside_port
    for vantage in draft.flow_tenants:
        draft.add(Service.EGRESS, Prober.CONNECT, vantage, at, intervals.connect, port=port)
        draft.add(Service.EGRESS, Prober.UDP, vantage, at, intervals.udp, port=port)
        draft.add(Service.EGRESS, Prober.HELD, vantage, at, intervals.held, port=port, keys=Keys(mode="echo"))
    if draft.flow_tenants:
        draft.add(Service.CONTROL, Prober.LISTEN, outside, ANY_ADDRESS, HEARTBEAT_S, port=port)
