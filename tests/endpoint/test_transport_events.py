"""Events are the same however the network cuts their bytes."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from asr_pandas.endpoint.events import Events

LINE = st.text(st.characters(exclude_characters="\r\n", codec="utf-8"), min_size=1).map(
    lambda text: text.strip().encode()
)


def read(stream: bytes, *cuts: int) -> list[bytes]:
    events = Events()
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    said = [event for start, end in pairwise(edges) for event in events.add(stream[start:end])]
    return [*said, *events.end()]


@given(
    events=st.lists(LINE.filter(bool)),
    line_end=st.sampled_from([b"\n", b"\r\n"]),
    cuts=st.lists(st.integers(0, 500)),
)
def test_cuts_anywhere_change_nothing(
    events: list[bytes], line_end: bytes, cuts: list[int]
) -> None:
    stream = b"".join(b"data: " + event + line_end * 2 for event in events)

    assert read(stream, *cuts) == [event.strip() for event in events]


def test_data_on_several_lines_is_one_event() -> None:
    assert read(b"data: one\ndata: two\n\ndata: three\n\n") == [b"one\ntwo", b"three"]


def test_comments_names_and_a_byte_order_mark_are_no_data() -> None:
    assert read(b"\xef\xbb\xbfdata: a\n\n: still here\n\nevent: x\nid: 1\n\n") == [b"a"]


def test_the_last_event_may_lack_its_blank_line_or_even_its_end() -> None:
    assert read(b"data: a\n\ndata: b\n") == read(b"data: a\n\ndata: b") == [b"a", b"b"]
