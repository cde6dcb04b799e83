# SPDX-License-Identifier: Apache-2.0
"""The events of a run. They are the only thing that crosses from engine to recorder, viewer and analysis.

Every time in them is in ns on the recording host's CLOCK_MONOTONIC, unless the name says `remote` or it sits in a
`Sample`.
"""

from dataclasses import dataclass
from enum import StrEnum

from .cloud import Inventory
from .lane import Lane, Service, Vantage
from .sample import Sample


class Phase(StrEnum):
    """The phases of a run, in their order (S13). MEASURE stands for CHANGE and SETTLE when somebody else operates."""

    PREPARE = "prepare"
    WARMUP = "warm-up"
    BASELINE = "baseline"
    READY = "ready"
    CHANGE = "change"
    SETTLE = "settle"
    MEASURE = "measure"
    COLLECT = "collect"
    DONE = "done"


class Verdict(StrEnum):
    """The one word at the end of a run."""

    MEASURED = "measured"
    RESTARTED = "restarted"
    UPGRADED = "upgraded"
    CHANGED_NOTHING = "changed nothing"
    FAILED_AND_RECOVERED = "failed and recovered"
    FAILED = "failed"
    OPEN = "open"
    NOT_MEASURABLE = "not measurable"


SUCCESSES = (Verdict.MEASURED, Verdict.RESTARTED, Verdict.UPGRADED)


class Level(StrEnum):
    """How much a notice matters."""

    INFO = "info"
    WARN = "warn"
    ERROR = "error"


class ChannelState(StrEnum):
    """The SSH (or local) channel to a vantage. Losing it loses no sample. `quiet`: closed on purpose for a while."""

    OPENING = "opening"
    OPEN = "open"
    LOST = "lost"
    CLOSED = "closed"
    QUIET = "quiet"


class JobStatus(StrEnum):
    """A CloudStack job as the follower sees it; `lost` when the server no longer knows the job."""

    SUBMITTED = "submitted"
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class RunOpened:
    """First event of each run. `scenario` is the scenario as JSON text, secrets masked.

    `token` names the run's probers and their spools on the vantages; `boot` is this host's, whose monotonic clock all
    stamps are of. `measure_s`: for how long a run that only measures was to last; None: until somebody stops it.
    """

    run: str
    name: str
    version: str
    cloud: str
    operation: str
    scenario: str
    interactive: bool = False
    token: str = ""
    boot: str = ""
    measure_s: float | None = None


@dataclass(frozen=True, slots=True)
class RunResumed:
    """Another engine goes on with a run whose own wrote its last at `gone_ns`. `phase` is the one it was in.

    Between the two nobody asked the API. `other_boot`: this host was rebooted, so the clock of all later stamps is
    another one, plus `shift_ns`, which wall time gave; how well shows in the vantages' clocks.
    """

    gone_ns: int
    phase: Phase
    version: str
    boot: str = ""
    other_boot: bool = False
    shift_ns: int = 0


@dataclass(frozen=True, slots=True)
class CloudOpened:
    """The API that the run speaks to. `own`: a test cloud that goes when the run's engine does."""

    endpoint: str
    own: bool = False


@dataclass(frozen=True, slots=True)
class ChangeSent:
    """A change is about to be sent to CloudStack. On the disk before it leaves: nobody may ever send it again."""

    command: str
    params: dict[str, str]


@dataclass(frozen=True, slots=True)
class OperationEnded:
    """The operation is over, or (`end_known` False) nobody waits for it any more.

    `failure` is its error in one line, empty when there was none.
    """

    failure: str = ""
    end_known: bool = True


@dataclass(frozen=True, slots=True)
class PhaseEntered:
    """The run moved on."""

    phase: Phase
    why: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """A line for people: progress, a warning, an error with what to do next."""

    level: Level
    text: str


@dataclass(frozen=True, slots=True)
class InventorySeen:
    """The network as the API shows it now. The first one is the state before the change."""

    inventory: Inventory


@dataclass(frozen=True, slots=True)
class OperationPlanned:
    """What confirmation is asked for: target, consequence in plain words, and the exact API calls.

    `destructive`: whoever confirms must type `target_name`.
    """

    title: str
    target: str
    consequence: str
    calls: tuple[str, ...] = ()
    destructive: bool = False
    target_name: str = ""


@dataclass(frozen=True, slots=True)
class OperatorActed:
    """Somebody pressed a key or sent a signal. `at_ns` is the time a note is about; 0: when it was written."""

    action: str
    detail: str = ""
    at_ns: int = 0


@dataclass(frozen=True, slots=True)
class VantageAdded:
    """A vantage takes part."""

    vantage: Vantage


@dataclass(frozen=True, slots=True)
class VantageLeftOut:
    """A vantage does not take part, and why."""

    name: str
    why: str


@dataclass(frozen=True, slots=True)
class LaneAdded:
    """A lane will be probed."""

    lane: Lane


@dataclass(frozen=True, slots=True)
class LaneLeftOut:
    """Something of a service is not measured, and why. `lane`: one that was probed and does not count; -1 for none."""

    service: Service
    what: str
    why: str
    lane: int = -1


@dataclass(frozen=True, slots=True)
class ProberStarted:
    """The probe program runs. Remote stamps are its own clocks at its start.

    `tier` is how much it may do there; `sees` and `cannot_see` are kinds of lane in plain words.
    A prober's life is a session; the first of a vantage is 0. A later one says in `why` what became of the one before
    it, and goes on with the same lanes: `first` are (lane, number) pairs, added to the sample numbers in its spool, and
    `shift_ns` is added to all its stamps, so that the vantage's clock goes on where a reboot ended it. Clock echoes of
    different epochs are of different clocks. `token` is the session's name, `boot` the mark of the vantage's boot.
    """

    vantage: str
    pid: int
    remote_start_ns: int
    remote_real_ns: int
    tier: str
    bundle: str
    sees: tuple[str, ...] = ()
    cannot_see: tuple[str, ...] = ()
    session: int = 0
    token: str = ""
    boot: str = ""
    first: tuple[tuple[int, int], ...] = ()
    shift_ns: int = 0
    epoch: int = 0
    why: str = ""


@dataclass(frozen=True, slots=True)
class SpoolRead:
    """How far a session's spool has been read, written together with what was read.

    `offset` is in bytes; the spool's own numbers say that `records` should have been read, `taken` were, `gaps` not.
    `ended` says how the prober ended, once its last record has been read.
    """

    vantage: str
    session: int
    offset: int
    records: int
    taken: int
    gaps: int
    ended: str = ""


@dataclass(frozen=True, slots=True)
class SpoolLeft:
    """A session is over and another one is to follow: what was read of its spool, and why it ended."""

    vantage: str
    session: int
    records: int
    missing: int
    why: str


@dataclass(frozen=True, slots=True)
class Calibrated:
    """A prober was tried out on its vantage, on loopback. `why`: what could not be tried; 0 where it is not known.

    `shortest_ns` is the shortest interval of its lanes, `judged_interval_ns` that of the lane that an outage of known
    length was made for: it lasted [true_low_ns, true_high_ns], the samples gave [low_ns, high_ns], and the truth lay
    `off_ns` beyond the bounds of an edge. `step_ns`: how coarse its clock is; then `late_p50_ns` is a ping's start.
    """

    vantage: str
    shortest_ns: int
    judged_interval_ns: int = 0
    wanted: int = 0
    sent: int = 0
    self_late: int = 0
    late_p50_ns: int = 0
    late_p99_ns: int = 0
    late_max_ns: int = 0
    true_low_ns: int = 0
    true_high_ns: int = 0
    low_ns: int = 0
    high_ns: int = 0
    off_ns: int = 0
    step_ns: int = 0
    scheduler: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class ChannelChanged:
    """The channel to a vantage was opened, lost or closed."""

    vantage: str
    state: ChannelState
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ClockEcho:
    """One clock echo over the channel (S8): our stamps around one remote (monotonic, realtime) pair.

    A clock that counts in steps was up to one step further than `remote_ns`. `epoch` changes when one of the two
    clocks began anew.
    """

    vantage: str
    sent_ns: int
    received_ns: int
    remote_ns: int
    remote_real_ns: int
    step_ns: int = 0
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class RemoteClock:
    """A (monotonic, realtime) pair that the prober stamped into its spool; also its heartbeat."""

    vantage: str
    remote_ns: int
    remote_real_ns: int


@dataclass(frozen=True, slots=True)
class SamplesArrived:
    """Verdicts on samples of one lane, in the order in which they fell."""

    lane: int
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class LateArrived:
    """Answers after the verdict `fail(timeout)`: stored as late, never as ok (S4)."""

    lane: int
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class SecondOwner:
    """A second MAC answered the same who-has. `remote_ns` is the vantage's clock."""

    lane: int
    seq: int
    remote_ns: int
    mac: int


@dataclass(frozen=True, slots=True)
class Announced:
    """A router announced itself on a passive lane: gratuitous ARP or a router advertisement.

    `remote_ns` is the vantage's clock; `detail` is the ARP operation or the advertised lifetime in s.
    """

    lane: int
    remote_ns: int
    mac: int
    detail: int


@dataclass(frozen=True, slots=True)
class SpoolCollected:
    """A vantage's spool has been read to its end, or as far as it can be. `ended` says how the prober ended."""

    vantage: str
    records: int
    missing: int
    ended: str


@dataclass(frozen=True, slots=True)
class ApiCalled:
    """One CloudStack API call. Secrets never get here. `reply` is cut to a bounded length."""

    command: str
    params: dict[str, str]
    method: str
    started_ns: int
    ended_ns: int
    status: int
    error: str = ""
    reply: str = ""


@dataclass(frozen=True, slots=True)
class JobChanged:
    """A job's state changed between the last poll with the old state and the first with the new one."""

    job: str
    command: str
    status: JobStatus
    last_old_ns: int
    first_new_ns: int
    error_code: int = 0
    text: str = ""


@dataclass(frozen=True, slots=True)
class CloudEventSeen:
    """An entry of CloudStack's event log. `created_s` is the server's clock, whole seconds since 1970."""

    id: str
    type: str
    level: str
    state: str
    description: str
    created_s: int
    parent: str = ""
    resource_type: str = ""
    resource_id: str = ""


@dataclass(frozen=True, slots=True)
class ServerClock:
    """The management server's clock, from the HTTP Date header (S9).

    Its seconds since 1970 less our CLOCK_MONOTONIC seconds lie in [low_s, high_s].
    """

    low_s: float
    high_s: float


@dataclass(frozen=True, slots=True)
class VerdictReached:
    """The run's result in one word, with its reasons."""

    verdict: Verdict
    over_budget: bool
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EvidenceKept:
    """A file that was collected because the operation went wrong; without `path` it was not, and `why`.

    `path` is relative to the run's folder; `size` in bytes, `sha256` in hex.
    """

    what: str
    path: str = ""
    size: int = 0
    sha256: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class RunClosed:
    """Last event of each run that ended in order."""

    exit_code: int
    why: str = ""


Body = (
    RunOpened
    | RunResumed
    | CloudOpened
    | ChangeSent
    | OperationEnded
    | SpoolRead
    | SpoolLeft
    | PhaseEntered
    | Notice
    | InventorySeen
    | OperationPlanned
    | OperatorActed
    | VantageAdded
    | VantageLeftOut
    | LaneAdded
    | LaneLeftOut
    | ProberStarted
    | Calibrated
    | ChannelChanged
    | ClockEcho
    | RemoteClock
    | SamplesArrived
    | LateArrived
    | SecondOwner
    | Announced
    | SpoolCollected
    | ApiCalled
    | JobChanged
    | CloudEventSeen
    | ServerClock
    | VerdictReached
    | EvidenceKept
    | RunClosed
)


@dataclass(frozen=True, slots=True)
class Event:
    """A body with its place in the run's history: `seq` counts from 1, both stamps are the recorder's."""

    seq: int
    at_ns: int
    wall_ns: int
    body: Body
