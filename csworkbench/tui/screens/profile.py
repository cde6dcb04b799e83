# SPDX-License-Identifier: Apache-2.0
"""A new cloud: endpoint, key, secret and CA, tested before they are kept."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label, Static

from csworkbench.tui.glyphs import Glyphs
from csworkbench.tui.guide import Line
from csworkbench.tui.home import Home, HomeError, Profile, Tried
from csworkbench.tui.text import clean
from csworkbench.tui.widgets.base import content

from .cloud_detail import hanging

LONGEST = 500
FIELDS = (
    ("name", "Name", "what you call it, e.g. prod"),
    ("endpoint", "Endpoint", "https://HOST:8443/client/api"),
    ("key", "API key", "from the user's page in CloudStack"),
    ("secret", "Secret key", "typed hidden; kept in a file that only you may read"),
    ("ca_file", "CA file", "only for a private CA; else leave it empty"),
)
NEEDED = ("name", "endpoint", "key", "secret")


class _Tested(Message):
    def __init__(self, profile: Profile, tried: Tried) -> None:
        super().__init__()
        self.profile, self.tried = profile, tried


class ProfileScreen(ModalScreen[str | None]):
    """Answers with the id of the cloud that was kept, or None after Esc.

    Enter goes to the next field and from the last one tests. What answered is kept at once; what did not is kept only
    by ctrl+k, for a cloud that is not reached from here yet.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "give_up", "Back"),
        Binding("ctrl+t", "test", "Test"),
        Binding("ctrl+k", "keep", "Keep untested", priority=True),  # else the field would cut its end off
        Binding("down", "app.focus_next", show=False),
        Binding("up", "app.focus_previous", show=False),
    ]
    AUTO_FOCUS = "#new-name"
    CSS = """
    ProfileScreen .dialog { width: 84; max-width: 96%; }
    ProfileScreen .field { height: 1; }
    ProfileScreen .field Label { width: 12; color: $secondary; }
    ProfileScreen .field Input { width: 1fr; }
    #new-status { height: auto; }
    #new-said { height: auto; max-height: 7; margin-top: 1; }
    """

    def __init__(self, home: Home, glyphs: Glyphs) -> None:
        super().__init__()
        self.home, self.glyphs = home, glyphs
        self.busy = False
        self._status: tuple[str, str] = ("", "")

    def compose(self) -> ComposeResult:
        """The fields."""
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = "new cloud"
            dialog.border_subtitle = "Esc goes back, nothing is kept"
            for name, label, hint in FIELDS:
                with Horizontal(classes="field"):
                    yield Label(label)
                    yield Input(
                        id=f"new-{name}", placeholder=hint, password=name == "secret", max_length=LONGEST, compact=True
                    )
            with VerticalScroll(id="new-said", can_focus=False):
                yield Static("", id="new-status", markup=False)
            with Horizontal(classes="dialog-buttons"):
                yield Button("Test and keep (^t)", id="test", variant="primary", compact=True)
                yield Button("Keep untested (^k)", id="keep", compact=True)

    def on_mount(self) -> None:
        """What to do."""
        self._tell("Enter goes on; after the last field the connection is tested.", "$muted")

    def on_resize(self) -> None:
        """Other breaks."""
        self._tell(*self._status)

    @property
    def profile(self) -> Profile:
        """What is filled in."""
        return Profile(**{name: self.query_one(f"#new-{name}", Input).value.strip() for name, _, _ in FIELDS})

    def _tell(self, text: str, style: str) -> None:
        self._status = (text, style)
        room = max(20, min(84, self.app.size.width * 96 // 100) - 8)
        line: Line = (("", ""), (clean(text, 1_000), style))
        self.query_one("#new-status", Static).update(content(hanging(line, room), self.glyphs))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """The next field, or the test."""
        event.stop()
        if event.input.id == f"new-{FIELDS[-1][0]}":
            self.action_test()
        else:
            self.focus_next()

    def _lacks(self) -> bool:
        profile = self.profile
        for name, label, _ in FIELDS:
            if name in NEEDED and not getattr(profile, name):
                self._tell(f"{label} is missing.", "$warning")
                self.query_one(f"#new-{name}", Input).focus()
                return True
        return False

    def action_test(self) -> None:
        """Ask with what is filled in."""
        if self.busy or self._lacks():
            return
        self.busy = True
        self._tell(f"asking {self.profile.endpoint}", "$accent")
        self.run_worker(self._test(self.profile), name="test", group="profile")

    async def _test(self, profile: Profile) -> None:
        self.post_message(_Tested(profile, await self.home.test_new(profile)))

    def on__tested(self, message: _Tested) -> None:
        """Keep it when it answers; else say what is wrong and what to do."""
        self.busy = False
        tried = message.tried
        if tried.good and message.profile == self.profile:
            self.action_keep()
            return
        text = f"{tried.what}. {tried.remedy}" if not tried.good else "it answers; what is filled in has changed since"
        self._tell(text, "$error" if not tried.good else "$warning")

    def action_keep(self) -> None:
        """Write it down."""
        if self.busy or self._lacks():
            return
        try:
            self.dismiss(self.home.keep(self.profile))
        except HomeError as error:
            self._tell(str(error), "$error")

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """The mouse or Enter."""
        event.stop()
        if event.button.id == "test":
            self.action_test()
        else:
            self.action_keep()

    def action_give_up(self) -> None:
        """Nothing is kept."""
        self.dismiss(None)
