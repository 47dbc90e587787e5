"""A question on the screen, before something is done that cannot be undone."""

from typing import ClassVar

from rich.markup import escape
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Label


class Confirm(ModalScreen[bool]):
    """Asks whether to disconnect somebody."""

    DEFAULT_CSS = """
    Confirm { align: center middle; }
    #question { width: 60; height: auto; padding: 1 2; background: $panel; border: round $error; }
    #question Horizontal { height: auto; margin-top: 1; }
    #question Button { margin-right: 2; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [("escape", "dismiss(False)", "No")]

    def __init__(self, question: str) -> None:
        super().__init__()
        self._question = question

    def compose(self) -> ComposeResult:
        """See Screen."""
        with Vertical(id="question"):
            yield Label(escape(self._question))
            with Horizontal():
                yield Button("Cancel", id="no")
                yield Button("Disconnect", id="yes", variant="error")

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """An answer was chosen."""
        self.dismiss(event.button.id == "yes")
