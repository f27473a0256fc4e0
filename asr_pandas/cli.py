"""`asr-pandas` in a shell: `transcribe`, `serve`, `demo`.

Exit codes: 0 every row is done · 1 some rows failed · 2 the call cannot be carried out, nothing was
sent · 3 the service refused to go on (key, account, model) · 130 interrupted.
"""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

_FAILED, _REFUSED, _STOPPED, _INTERRUPTED = 1, 2, 3, 130
_TOLD: Final = 10  # failed rows that are named on stderr


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        # A pipe on Windows has an old code page, which many transcripts do not fit.
        if isinstance(stream, io.TextIOWrapper) and not stream.isatty():
            stream.reconfigure(encoding="utf-8")
    parsed = _parser().parse_args(arguments)
    # Late, so that --help and a mistyped option answer at once.
    from asr_pandas.errors import AsrError, Interrupted, RunStopped

    try:
        return int(parsed.run(parsed))
    except (AsrError, NotImplementedError) as error:
        _tell(f"asr-pandas: {error}")
        return _STOPPED if isinstance(error, RunStopped) else _REFUSED
    except Interrupted as stopped:
        _tell(f"asr-pandas: {stopped}")
        return _INTERRUPTED
    except KeyboardInterrupt:
        return _INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="asr-pandas",
        description="Transcribe audio files: Qwen3-ASR-Flash where DASHSCOPE_API_KEY is set, "
        "else Whisper on this machine.",
        epilog="exit codes: 0 done, 1 some rows failed, 2 nothing was sent, 3 the service refused "
        "to go on, 130 interrupted",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_transcribe(commands.add_parser("transcribe", help="transcribe files, folders or a table"))
    _add_serve(commands.add_parser("serve", help="serve the embedded recogniser to OpenAI clients"))
    _add_demo(commands.add_parser("demo", help="transcribe the samples"))
    return parser


def _add_transcribe(parser: argparse.ArgumentParser) -> None:
    parser.description = "Transcribe files, folders, globs, URLs, or one .csv or .parquet."
    parser.set_defaults(run=_transcribe)
    parser.add_argument("sources", nargs="+", metavar="SOURCE")
    parser.add_argument(
        "-o",
        "--output",
        default="-",
        metavar="FILE",
        help=(".parquet, .csv, .jsonl, .txt or .md; '-' (the default) writes to standard output"),
    )
    parser.add_argument(
        "--format", choices=("txt", "md", "csv", "jsonl"), default="txt", help="form of '-o -'"
    )
    parser.add_argument("--column", help="the table's column with the audio (default: audio)")
    parser.add_argument("--language", help="the language of all clips; left out, it is detected")
    parser.add_argument("--language-from", metavar="COLUMN", help="a column with each language")
    parser.add_argument("--context", help="names and terms that bias the recognition")
    parser.add_argument("--context-from", metavar="COLUMN", help="a column with each context")
    parser.add_argument("--itn", action="store_true", help="'twenty five' becomes '25' (zh, en)")
    parser.add_argument("--stream", action="store_true", help="let the service reply bit by bit")
    parser.add_argument("--concurrency", type=int, metavar="N", help="rows under way at once")
    parser.add_argument("--rpm", type=float, metavar="N", help="requests per minute")
    parser.add_argument("--columns", choices=("basic", "full"), help="which result columns")
    parser.add_argument("--prefix", help="put before every result column's name")
    parser.add_argument("--overwrite", action="store_true", help="replace columns of that name")
    _add_common(parser)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--endpoint", help="local, dashscope-intl, dashscope-cn or an address")
    parser.add_argument(
        "-q", "--quiet", dest="progress", action="store_const", const=False, help="no progress"
    )


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_demo)
    parser.add_argument("-o", "--output", type=Path, default=Path("demo.parquet"), metavar="FILE")
    _add_common(parser)


def _add_serve(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Serve the embedded recogniser at /compatible-mode/v1 and /v1, as the hosted service is. "
        "ASR_PANDAS_SERVE_KEY sets the key that clients must send."
    )
    parser.set_defaults(run=_serve)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--model", default="base", help="Whisper's size, or a folder with weights")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument(
        "--allow-private", action="store_true", help="fetch URLs of private addresses too"
    )


def _transcribe(parsed: argparse.Namespace) -> int:
    from asr_pandas.errors import Interrupted, RunStopped
    from asr_pandas.files.export import form_of
    from asr_pandas.files.sources import read_sources

    if parsed.output != "-":
        form_of(Path(parsed.output))
    frame, column = read_sources(parsed.sources, column=parsed.column)
    try:
        out = frame.asr.transcribe(column, **_options(parsed))
    except (RunStopped, Interrupted) as stopped:
        # What is finished is paid for: it is written in any case.
        _deliver(stopped.partial, column, parsed)
        raise
    _deliver(out, column, parsed)
    return _verdict(out, parsed.prefix or "")


def _options(parsed: argparse.Namespace) -> dict[str, Any]:
    from asr_pandas.options import TranscribeOptions

    given = {name: value for name, value in vars(parsed).items() if value is not None}
    return {name: given[name] for name in TranscribeOptions.__annotations__ if name in given}


def _deliver(out: pd.DataFrame, column: str, parsed: argparse.Namespace) -> None:
    from asr_pandas.files.export import for_terminal, render, write

    prefix = parsed.prefix or ""
    if parsed.output != "-":
        write(out, Path(parsed.output), audio=column, prefix=prefix)
        return
    text = render(out, parsed.format, audio=column, prefix=prefix)
    sys.stdout.write(for_terminal(text) if sys.stdout.isatty() else text)


def _verdict(out: pd.DataFrame, prefix: str) -> int:
    failed = out[out[f"{prefix}status"] == "failed"]
    for message in failed[f"{prefix}message"].head(_TOLD):
        _tell(f"asr-pandas: {message}")
    if len(failed) > _TOLD:
        _tell(f"asr-pandas: and {len(failed) - _TOLD:,} more rows failed; see their message")
    return _FAILED if len(failed) else 0


def _demo(parsed: argparse.Namespace) -> int:
    from asr_pandas.demo import demo

    demo(parsed.output, **_options(parsed))
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


def _tell(line: str) -> None:
    from asr_pandas.files.export import for_terminal

    print(for_terminal(line), file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
