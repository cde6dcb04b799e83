# SPDX-License-Identifier: Apache-2.0
"""What a run can do to its target. The YAML file has these very keys."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Restart:
    """restartNetwork or restartVPC; every flag is sent, whatever its default is in the server's version."""

    cleanup: bool
    makeredundant: bool = False
    livepatch: bool = False


@dataclass(frozen=True, slots=True)
class LivePatch:
    """New code into running system VMs. `forced` counts for SSVM and CPVM only; routers are always patched."""

    forced: bool = False


@dataclass(frozen=True, slots=True)
class RebootRouter:
    """rebootRouter: stop, then start with everything programmed anew."""

    forced: bool = False


@dataclass(frozen=True, slots=True)
class StopStartRouter:
    """stopRouter, then startRouter. `forced`: powered off instead of shut down."""

    forced: bool = False


@dataclass(frozen=True, slots=True)
class DestroyRouter:
    """destroyRouter; with `rebuild` a restart afterwards has CloudStack build what is missing."""

    rebuild: bool = True


@dataclass(frozen=True, slots=True)
class RebootSystemVm:
    """rebootSystemVm. `forced`: stop and start instead of a reboot of the guest."""

    forced: bool = False


@dataclass(frozen=True, slots=True)
class DestroySystemVm:
    """destroySystemVm, and wait for the one that CloudStack makes in its place."""


@dataclass(frozen=True, slots=True)
class ChangeOffering:
    """updateNetwork to another network offering (name or id); `in_sequence`: one router after the other."""

    offering: str
    in_sequence: bool = False


AnyOperation = (
    Restart
    | LivePatch
    | RebootRouter
    | StopStartRouter
    | DestroyRouter
    | RebootSystemVm
    | DestroySystemVm
    | ChangeOffering
)


@dataclass(frozen=True, slots=True)
class Operation:
    """The one thing to do: the field that is set. None set means that the run only measures."""

    restart: Restart | None = None
    live_patch: LivePatch | None = None
    reboot_router: RebootRouter | None = None
    stop_start_router: StopStartRouter | None = None
    destroy_router: DestroyRouter | None = None
    reboot_systemvm: RebootSystemVm | None = None
    destroy_systemvm: DestroySystemVm | None = None
    change_offering: ChangeOffering | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The keys that are set; a scenario has at most one."""
        return tuple(name for name in self.__dataclass_fields__ if getattr(self, name) is not None)

    @property
    def chosen(self) -> AnyOperation | None:
        """The operation with its options."""
        found: AnyOperation | None = getattr(self, self.names[0]) if self.names else None
        return found

    @property
    def is_none(self) -> bool:
        """True when nothing is to be operated."""
        return not self.names

    @property
    def title(self) -> str:
        """Short name with its flags, for headings."""
        chosen = self.chosen
        if chosen is None:
            return "measure only"
        words = self.names[0].replace("_", " ")
        for name, field in chosen.__dataclass_fields__.items():
            value = getattr(chosen, name)
            if value != field.default:
                words += f" {name}={str(value).lower() if isinstance(value, bool) else value}"
        return words


TARGETS = ("network", "vpc", "router", "systemvm")
FITTING: dict[str, tuple[str, ...]] = {
    "restart": ("network", "vpc"),
    "live_patch": ("network", "vpc", "router", "systemvm"),
    "reboot_router": ("router", "network", "vpc"),
    "stop_start_router": ("router", "network", "vpc"),
    "destroy_router": ("router", "network", "vpc"),
    "reboot_systemvm": ("systemvm",),
    "destroy_systemvm": ("systemvm",),
    "change_offering": ("network",),
}
"""Which kinds of target an operation can be done to; the first one is the most natural."""
