"""What the README shows is what happens."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path
from typing import Any

import pytest

README = Path(__file__).parents[1] / "README.md"
BLOCK = re.compile(
    r"(?P<kept><!-- not run: .+ -->\n)?"
    r"```python\n(?P<code>.*?)```(\n\n```text\n(?P<shown>.*?)```)?",
    re.DOTALL,
)


def test_every_example_runs_and_prints_what_it_shows() -> None:
    blocks = list(BLOCK.finditer(README.read_text(encoding="utf-8")))
    namespace: dict[str, Any] = {}

    for block in blocks:
        if block["kept"]:
            compile(block["code"], str(README), "exec")
            continue
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(block["code"], namespace)  # noqa: S102 - our own README
        if block["shown"] is not None:
            assert printed.getvalue() == block["shown"]

    assert len(blocks) >= 2


@pytest.mark.parametrize("target", ["demo", "test"])
def test_the_two_commands_are_targets_of_the_makefile(target: str) -> None:
    makefile = README.with_name("Makefile").read_text(encoding="utf-8")

    assert f"make {target}" in README.read_text(encoding="utf-8")
    assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_the_links_to_files_lead_somewhere() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README.read_text(encoding="utf-8"))

    missing = [link for link in links if not (README.parent / link).exists()]

    assert links
    assert missing == []
