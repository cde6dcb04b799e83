# SPDX-License-Identifier: Apache-2.0
"""`demo`: the test cloud and the workbench, ready to press the key."""

from dataclasses import replace

import click

from csworkbench.config.scenario_file import load_scenario
from csworkbench.model.scenario import LabOptions
from csworkbench.probing.bundle import data_folder
from csworkbench.recording.library import new_run, runs_dir

from .common import has_terminal
from .compose import Consent
from .engine import start_detached
from .host import Hosting
from .run import report, run_once
from .screen_options import Look, screen_options
from .workbench import open_workbench

SCENARIO = "scenarios/parallel-restart.yaml"


@click.command()
@click.option("--profile", help="CloudStack version to imitate.")
@click.option("--vms", type=click.IntRange(1, 100), help="Tenant VMs.")
@click.option("--scale", type=click.FloatRange(0.001, 10), help="Shortens injected waits, never protocol timers.")
@click.option("--plain", is_flag=True, help="Headless, as it is without a terminal.")
@screen_options
def demo(profile: str | None, vms: int | None, scale: float | None, plain: bool, look: Look) -> None:
    """Start a test cloud on this machine and open the workbench on it.

    Without a terminal it runs the same scenario headless and prints the result. Everything is gone when the run ends.
    """
    scenario = load_scenario(data_folder("samples") / SCENARIO)
    lab = scenario.lab or LabOptions()
    scenario = replace(
        scenario, lab=replace(lab, profile=profile or lab.profile, vms=vms or lab.vms, scale=scale or lab.scale)
    )
    if plain or not has_terminal():
        code, folder = run_once(scenario, Hosting(Consent(), fresh_lab=True))
        report([folder], None, False)
        raise SystemExit(code)
    look.check()
    folder = new_run(scenario.name, runs_dir())
    start_detached(scenario, folder)
    raise SystemExit(open_workbench(folder, look=look))
