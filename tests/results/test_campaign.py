# SPDX-License-Identifier: Apache-2.0
"""What a campaign leaves behind: its CSV, its Markdown, its JSON, and what names from the API do to them."""

import csv
import io
import json

from csworkbench.results.campaign import CAMPAIGN, as_csv, as_json, markdown, text
from csworkbench.upgrade.campaign import CampaignState, Target, estimate
from csworkbench.upgrade.campaign import record as rec
from csworkbench.upgrade.campaign.folder import numbered
from csworkbench.upgrade.campaign.state import replay
from tests.upgrade.campaign.support import RESTART, START, Fake, ended, plan, targets

HOSTILE = '=cmd|"/c calc"\n<b>|x\x1b[2J'


def finished() -> Fake:
    fake = Fake(plan()).open(targets([0, 1, 1, 2], vantages=("vm01",)))
    fake.start()
    fake.end("id-01")
    fake.write(rec.Skipped("you", "id-02", "its owner asked"))
    fake.start()
    fake.end("id-03", "failed", over_budget=True)
    return fake


def rows(state: CampaignState) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(as_csv("c1", state))))


def test_one_line_for_each_target() -> None:
    found = rows(finished().state)
    assert list(found[0]) == list(CAMPAIGN)
    assert [row["network"] for row in found] == ["net-01", "net-02", "net-03", "net-04"]
    assert [row["status"] for row in found] == ["done", "skipped", "failed", "waiting"]
    assert [row["verdict"] for row in found] == ["upgraded", "", "failed", ""]
    first, second, third, _ = found
    assert (first["egress_down_s"], first["egress_low_s"], first["egress_high_s"]) == ("1.400", "1.300", "1.500")
    assert first["dns_down_s"] == ""
    assert second["why"] == "its owner asked (you)"
    assert (third["over_budget"], first["over_budget"], second["over_budget"]) == ("yes", "no", "")


def test_the_same_in_json_and_markdown() -> None:
    fake = finished()
    found = as_json("c1", fake.plan, fake.state, estimate(fake.plan, fake.state, fake.now))
    json.dumps(found)
    assert found["counts"] == {"waiting": 1, "done": 1, "failed": 1, "skipped": 1}
    assert found["exit_code"] == 1
    assert found["stopped"]
    assert found["services"]["egress"] == {"n": 2, "median_s": 1.4, "highest_s": 1.4, "worst": "net-03"}
    page = markdown("c1", fake.plan, fake.state)
    assert "| egress | 2 | 1.400 | 1.400 | net-03 | 10 |" in page
    assert "## The canary" in page
    assert "skipped net-02 its owner asked" in page
    assert "stopped: " in text("c1", fake.plan, fake.state, None, everything=True)


def test_names_from_the_api_do_no_harm() -> None:
    target = Target("id-1", "network", HOSTILE, 1, RESTART, zone=HOSTILE, account=HOSTILE, unmeasured=HOSTILE)
    state = replay(
        numbered(
            [
                rec.Opened(HOSTILE, "x", "lab", (target,), (rec.LeftOut(HOSTILE, HOSTILE),)),
                rec.Starting("id-1", "r", RESTART),
                ended("id-1", "r"),
            ],
            0,
            START,
        )
    )
    (row,) = rows(state)
    assert row["network"].startswith("'=cmd")
    page, lines = markdown("c1", plan(), state), text("c1", plan(), state, None, everything=True)
    assert "<b>" not in page.replace("\\<b\\>", "")
    assert "\x1b" not in page + lines + as_csv("c1", state)
    assert all(line.count(" | ") == 5 for line in page.splitlines() if line.startswith("| ") and "upgraded" in line)
