"""`asr-pandas` in a shell: `transcribe`, `plan`, `serve`, `demo`.

Exit codes: 0 every row is done · 1 some rows failed, or the results could not be written · 2 the
call cannot be carried out, nothing was sent · 3 the service refused to go on (key, account, model)
· 130 interrupted.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from asr_pandas import console
from asr_pandas.arguments import parser
from asr_pandas.demo import demo
from asr_pandas.errors import AsrError, Interrupted, OptionError, RunStopped
from asr_pandas.files.export import check_target, form_of, keep, write
from asr_pandas.files.render import for_terminal, one_line, render
from asr_pandas.files.sources import read_sources
from asr_pandas.options import TranscribeOptions

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    import pandas as pd

_FAILED, _REFUSED, _STOPPED, _INTERRUPTED = 1, 2, 3, 130
_TOLD: Final = 10  # failed rows that are named on stderr


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    console.settle()
    parsed = parser().parse_args(arguments)
    try:
        return _run(parsed)
    except (AsrError, NotImplementedError) as error:
        console.tell(f"asr-pandas: {error}")
        return _STOPPED if isinstance(error, RunStopped) else _REFUSED
    except KeyboardInterrupt:
        console.tell("asr-pandas: stopped by you")
        return _INTERRUPTED
    except BrokenPipeError:
        return _FAILED
    except OSError as error:
        console.tell(f"asr-pandas: {error}")
        return _FAILED
    finally:
        console.let_go()


def _run(parsed: argparse.Namespace) -> int:
    commands: dict[str, Callable[[argparse.Namespace], int]] = {
        "transcribe": _transcribe,
        "plan": _plan,
        "serve": _serve,
        "demo": _demo,
    }
    return commands[parsed.command](parsed)


def _transcribe(parsed: argparse.Namespace) -> int:
    _check_output(parsed.output)
    frame, column = read_sources(parsed.sources, column=parsed.column)
    try:
        out = frame.asr.transcribe(column, **_options(parsed))
    except (RunStopped, Interrupted) as stopped:
        # What is finished is paid for: it is written in any case.
        _deliver(stopped.partial, column, parsed)
        raise
    delivered = _deliver(out, column, parsed)
    return _verdict(out, parsed.prefix or "") if delivered else _FAILED


def _plan(parsed: argparse.Namespace) -> int:
    frame, column = read_sources(parsed.sources, column=parsed.column)
    plan = frame.asr.plan(column, deep=parsed.deep, **_options(parsed))
    if sys.stdout is not None:
        sys.stdout.write(f"{for_terminal(str(plan))}\n")
        sys.stdout.flush()
    return 0


def _check_output(output: str) -> None:
    if output != "-":
        check_target(Path(output))
    elif sys.stdout is None:
        message = "standard output is closed. Hint: -o notes.md writes a file"
        raise OptionError(message)


def _options(parsed: argparse.Namespace) -> dict[str, Any]:
    given = {name: value for name, value in vars(parsed).items() if value is not None}
    return {name: given[name] for name in TranscribeOptions.__annotations__ if name in given}


def _deliver(out: pd.DataFrame, column: str, parsed: argparse.Namespace) -> bool:
    """Write the results where they are wanted; else keep them in another place, and say so."""
    to_file = parsed.output != "-"
    try:
        _write(out, column, parsed)
    except BrokenPipeError:
        return False  # who reads has seen enough, as `head` has
    except Exception as error:  # noqa: BLE001  (whatever it is, what is transcribed is paid for)
        form = form_of(Path(parsed.output)) if to_file else parsed.format
        kept = keep(out, form, audio=column, prefix=parsed.prefix or "")
        where = (
            f"are kept in {kept}" if kept else "are lost: the temporary folder takes none either"
        )
        name = repr(parsed.output) if to_file else "standard output"
        reason = one_line(getattr(error, "strerror", None) or str(error))
        console.tell(f"asr-pandas: {name} cannot be written: {reason}. The results {where}")
        return False
    if to_file and parsed.progress is not False:
        console.tell(f"asr-pandas: wrote {parsed.output}")
    return True


def _write(out: pd.DataFrame, column: str, parsed: argparse.Namespace) -> None:
    prefix = parsed.prefix or ""
    if parsed.output != "-":
        write(out, Path(parsed.output), audio=column, prefix=prefix)
        return
    text = render(out, parsed.format, audio=column, prefix=prefix)
    sys.stdout.write(for_terminal(text) if sys.stdout.isatty() else text)
    sys.stdout.flush()


def _verdict(out: pd.DataFrame, prefix: str) -> int:
    failed = out[out[f"{prefix}status"] == "failed"]
    for message in failed[f"{prefix}message"].head(_TOLD):
        console.tell(f"asr-pandas: {message}")
    if len(failed) > _TOLD:
        console.tell(f"asr-pandas: and {len(failed) - _TOLD:,} more rows failed; see their message")
    return _FAILED if len(failed) else 0


def _demo(parsed: argparse.Namespace) -> int:
    demo(parsed.output, **_options(parsed))
    if sys.stdout is not None:
        sys.stdout.flush()
    return 0


def _serve(parsed: argparse.Namespace) -> int:
    from asr_pandas.local.service import serve

    serve(
        parsed.model,
        device=parsed.device,
        host=parsed.host,
        port=parsed.port,
        allow_private=parsed.allow_private,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
