# SPDX-License-Identifier: Apache-2.0
"""What a Prometheus server scrapes: a run's metrics at this moment, its counters never going back."""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from csworkbench.measurement.analysis import Analysis
from csworkbench.model.event import Event
from csworkbench.model.state import RunState, apply

from .metrics import SPECS, Counts, family, metrics_of


class RunCollector(Collector):
    """One run at a time. `feed` is called by one thread, `collect` by those that serve scrapes."""

    def __init__(self, heard: Callable[[], None] = lambda: None) -> None:
        self._lock, self._heard = threading.Lock(), heard
        self.begin()

    def begin(self) -> None:
        """Another run: what was told of the last one is forgotten."""
        with self._lock:
            self._state = RunState()
            self._analysis, self._counts = Analysis(self._state), Counts()
            self._floors: dict[tuple[str, tuple[str, ...]], float] = {}
            self._told: list[Metric] | None = None

    def feed(self, events: Sequence[Event]) -> None:
        """Events of the run, in order."""
        with self._lock:
            for event in events:
                apply(self._state, event)
            if self._state.closed is not None:
                self._analysis.finish()
            else:
                self._analysis.update()
            self._counts.update(self._state)
            self._told = None

    def collect(self) -> Iterable[Metric]:
        """The metrics; the registry asks for them."""
        with self._lock:
            if self._told is None:
                self._told = list(self._floored(metrics_of(self._state, self._analysis, self._counts)))
            told = self._told
        self._heard()
        return told

    def describe(self) -> Iterable[Metric]:
        """The names, for a server that asks for some of them (`?name[]=`)."""
        return (family(spec) for spec in SPECS)

    def _floored(self, metrics: Iterable[Metric]) -> Iterator[Metric]:
        """A later clock echo may shorten an outage by a little, which Prometheus would take for a new beginning."""
        for metric in metrics:
            if metric.type == "counter":
                kept = []
                for sample in metric.samples:
                    key = sample.name, tuple(sample.labels.values())
                    value = self._floors[key] = max(sample.value, self._floors.get(key, 0.0))
                    kept.append(sample._replace(value=value))
                metric.samples = kept
            yield metric
