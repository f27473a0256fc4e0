"""What a notebook shows of a run: tqdm's bar as a widget that leaves no stale text behind."""

from __future__ import annotations

import sys
from typing import Any


def in_notebook() -> bool:
    """Tell whether output goes to a Jupyter kernel, without importing IPython."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and hasattr(shell, "kernel")


def new_bar(**options: Any) -> Any:  # noqa: ANN401  (tqdm's own options)
    """Show a bar that lives as long as its kernel.

    A notebook file that is opened later, without the kernel, shows nothing in its place: the line
    with the counts stands below it.
    """
    from IPython.display import display
    from tqdm.notebook import tqdm

    bar = tqdm(**options, display=False)
    shown = bar.container._repr_mimebundle_()
    display({**shown, "text/plain": ""}, raw=True)  # type: ignore[no-untyped-call]
    # tqdm shows a bar that has not been shown when it closes.
    bar.displayed = True
    return bar
