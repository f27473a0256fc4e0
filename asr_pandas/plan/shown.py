"""A plan in, what a person sees of it out: plain for a terminal, a table for a notebook. Pure."""

from __future__ import annotations

from html import escape
from textwrap import wrap
from typing import TYPE_CHECKING, Final

from asr_pandas.plan.told import told

if TYPE_CHECKING:
    from asr_pandas.plan.planned import Plan

_WIDTH: Final = 100  # characters; a constant, so that a notebook's output is the same everywhere
_LABEL: Final = 12


def text(plan: Plan) -> str:
    """Write a plan as lines."""
    lines = [_title(plan)]
    for label, said in told(plan):
        wrapped = wrap(_printable(said), _WIDTH - _LABEL, break_on_hyphens=False)
        lines += [
            f"{name:<{_LABEL}}{part}"
            for name, part in zip([label, *[""] * len(wrapped)], wrapped, strict=False)
        ]
    return "\n".join(lines)


def html(plan: Plan) -> str:
    """Write a plan as a table; whatever is in a name is text there, too."""
    lines = "".join(
        f'<tr><th style="text-align: left; vertical-align: top">{escape(label)}</th>'
        f'<td style="text-align: left">{escape(_printable(said))}</td></tr>'
        for label, said in told(plan)
    )
    return f"<table><caption>{escape(_title(plan))}</caption><tbody>{lines}</tbody></table>"


def _title(plan: Plan) -> str:
    means = plan.means
    model = f" ({means.model})" if means.model else ""
    return _printable(f"plan for {means.variable} → {means.host}{model}")


def _printable(said: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in said)
