"""What a notebook shows of a run: a widget with the figures, and one constant text without it."""

from __future__ import annotations

import sys
from html import escape
from typing import Any, Final

# What stands in the file, and is shown where there is neither kernel nor widget state. Each run of
# the cell writes the same.
WITHOUT_KERNEL: Final = "(live progress, shown while the kernel runs)"


def in_notebook() -> bool:
    """Tell whether output goes to a Jupyter kernel, without importing IPython."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and hasattr(shell, "kernel")


class Bar:
    """One line and a bar in one widget, which any thread may draw."""

    width = None
    """The line breaks where the page ends."""
    quiet = 0.0

    def __init__(self) -> None:
        from IPython.display import display
        from ipywidgets import HTML  # type: ignore[import-untyped]

        self._widget: Any = HTML()
        shown = self._widget._repr_mimebundle_()
        display({**shown, "text/plain": WITHOUT_KERNEL}, raw=True)  # type: ignore[no-untyped-call]

    def pause(self, elapsed: float) -> float:
        """Return the seconds from one picture to the next: two days are some 90,000 messages."""
        return min(max(0.25, elapsed / 100), 2.0)

    def show(self, line: str, share: float) -> None:
        """Show this instead of what was shown before."""
        # One value: it travels in one message, and only when it is another.
        self._widget.value = (
            f'<progress value="{share:.3f}" style="width: 12em"></progress> {escape(line)}'
        )

    def clear(self) -> None:
        """Do nothing: other lines stand below."""

    def end(self, line: str, share: float) -> None:
        """Show this, and leave it."""
        self.show(line, share)


def new_bar() -> Bar:
    """Show a bar under the cell that runs."""
    return Bar()
