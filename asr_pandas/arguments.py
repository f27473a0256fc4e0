"""What `asr-pandas` understands in a shell: its commands and their options."""

from __future__ import annotations

import argparse
from pathlib import Path

from asr_pandas import __version__


def parser() -> argparse.ArgumentParser:
    """Declare the commands; `command` says which one was chosen."""
    shell = argparse.ArgumentParser(
        prog="asr-pandas",
        description="Transcribe audio files: Qwen3-ASR-Flash where DASHSCOPE_API_KEY is set, "
        "else Whisper on this machine.",
        epilog="exit codes: 0 done, 1 some rows failed or the results could not be written, "
        "2 nothing was sent, 3 the service refused to go on, 130 interrupted",
    )
    shell.add_argument("--version", action="version", version=f"asr-pandas {__version__}")
    commands = shell.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_transcribe(commands.add_parser("transcribe", help="transcribe files, folders or a table"))
    _add_plan(commands.add_parser("plan", help="say what transcribing would send and cost"))
    _add_serve(commands.add_parser("serve", help="serve the embedded recogniser to OpenAI clients"))
    _add_demo(commands.add_parser("demo", help="transcribe the samples"))
    return shell


def _add_transcribe(parser: argparse.ArgumentParser) -> None:
    parser.description = "Transcribe files, folders, globs, URLs, or one .csv or .parquet."
    parser.epilog = "names that start with '-' follow '--': asr-pandas transcribe -- -1.wav"
    parser.add_argument("sources", nargs="+", metavar="SOURCE", help="what is transcribed")
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
    parser.add_argument("--budget", metavar="AMOUNT", help="what it may cost: 5, or '5 USD'")
    parser.add_argument(
        "--patience", metavar="TIME", help="how long a service that is down is waited for: 10min"
    )
    parser.add_argument("--fetch", action="store_true", help="download URLs here, then send them")
    _add_journal(parser)
    parser.add_argument("--columns", choices=("basic", "full"), help="which result columns")
    parser.add_argument("--prefix", help="put before every result column's name")
    parser.add_argument("--overwrite", action="store_true", help="replace columns of that name")
    _add_common(parser)


def _add_plan(parser: argparse.ArgumentParser) -> None:
    parser.description = "Say what would be sent where, and what it would cost. Sends nothing."
    parser.add_argument("sources", nargs="+", metavar="SOURCE", help="what would be transcribed")
    parser.add_argument("--column", help="the table's column with the audio (default: audio)")
    parser.add_argument("--deep", action="store_true", help="read and decode all audio, too")
    parser.add_argument("--language", help="the language of all clips")
    parser.add_argument("--language-from", metavar="COLUMN", help="a column with each language")
    parser.add_argument("--context", help="names and terms that bias the recognition")
    parser.add_argument("--context-from", metavar="COLUMN", help="a column with each context")
    parser.add_argument("--itn", action="store_true", help="'twenty five' becomes '25' (zh, en)")
    parser.add_argument("--rpm", type=float, metavar="N", help="requests per minute")
    _add_journal(parser)
    parser.add_argument("--endpoint", help="local, dashscope-intl, dashscope-cn or an address")


def _add_journal(parser: argparse.ArgumentParser) -> None:
    journal = parser.add_mutually_exclusive_group()
    journal.add_argument("--journal", metavar="FILE", help="where outcomes are recorded")
    journal.add_argument(
        "--no-journal", dest="journal", action="store_const", const=False, help="record nothing"
    )
    reuse = parser.add_mutually_exclusive_group()
    reuse.add_argument("--reuse", metavar="AGE", help="take no older recorded results: 30d")
    reuse.add_argument(
        "--no-reuse", dest="reuse", action="store_const", const=False, help="ask, and pay, again"
    )


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--endpoint", help="local, dashscope-intl, dashscope-cn or an address")
    parser.add_argument(
        "-q", "--quiet", dest="progress", action="store_const", const=False, help="no progress"
    )


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("demo.parquet"),
        metavar="FILE",
        help=".parquet (the default is demo.parquet), .csv, .jsonl, .txt or .md",
    )
    _add_common(parser)


def _add_serve(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Serve the embedded recogniser at /compatible-mode/v1 and /v1, as the hosted service is. "
        "ASR_PANDAS_SERVE_KEY sets the key that clients must send."
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--model", default="base", help="Whisper's size, or a folder with weights")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument(
        "--allow-private", action="store_true", help="fetch URLs of private addresses too"
    )
