"""Addresses are kept without what says who asks, and still tell one recording from the next."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from asr_pandas.audio.signatures import named, unsigned

FILE = "https://calls.example.org/2026/a%20b.wav"

SIGNED = {
    "S3": "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIA%2F20261122&X-Amz-Date=20261122T"
    "181237Z&X-Amz-Expires=3600&X-Amz-SignedHeaders=host&X-Amz-Security-Token={0}&x-id=GetObject"
    "&X-Amz-Signature={0}",
    "S3, second version": "AWSAccessKeyId=AKIA&Signature={0}&Expires=1795371157",
    "S3, with a session": "AWSAccessKeyId=A&Signature={0}&x-amz-security-token={0}&Expires=1",
    "Google": "X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Credential=me%40x&X-Goog-Date=2026"
    "&X-Goog-Expires=900&X-Goog-SignedHeaders=host&X-Goog-Signature={0}",
    "Google, second version": "GoogleAccessId=me%40x&Expires=1795371157&Signature={0}",
    "Google's CDN": "URLPrefix=aHR0cHM6&Expires=1795371157&KeyName=k&Signature={0}",
    "Azure, one file": "sp=r&st=2026-11-22T18:12:37Z&se=2026-11-23&spr=https&sip=10.0.0.1&sv=2024"
    "-11-04&sr=b&sig={0}",
    "Azure, an account": "sv=2024-11-04&ss=b&srt=o&sp=r&se=2026-11-23&sig={0}",
    "Azure, a user": "skoid=1&sktid=2&skt=3&ske=4&sks=b&skv=5&sv=2024-11-04&se=6&sr=b&sp=r&sig={0}",
    "Azure, a policy": "si=readers&sr=c&sv=2024-11-04&sig={0}",
    "OSS": "x-oss-signature-version=OSS4-HMAC-SHA256&x-oss-credential=LTAI%2F2026&x-oss-date=2026"
    "&x-oss-expires=600&x-oss-additional-headers=host&x-oss-security-token={0}&x-oss-signature={0}",
    "OSS, first version": "OSSAccessKeyId=LTAI&Expires=1795371157&Signature={0}&security-token={0}",
    "CloudFront": "Expires=1795371157&Signature={0}&Key-Pair-Id=K2JC",
    "CloudFront, a policy": "Policy={0}&Signature={0}&Key-Pair-Id=K2JC&Hash-Algorithm=SHA256",
    "Hugging Face": "X-Amz-Credential=cas%2F2026&X-Xet-Cas-Uid={0}&X-Amz-Signature={0}&x-id=GetObj"
    "ect&Expires=9&Policy={0}&Signature={0}&Key-Pair-Id=K",
    "COS": "q-sign-algorithm=sha1&q-ak=AKID&q-sign-time=1;2&q-key-time=1;2&q-header-list=host"
    "&q-url-param-list=&q-signature={0}&x-cos-security-token={0}",
    "TOS": "X-Tos-Algorithm=TOS4&X-Tos-Credential=AK&X-Tos-Signature={0}",
    "Qiniu": "e=1795371157&token=AK:{0}",
    "Bunny": "token={0}&token_path=%2F2026&expires=1795371157",
    "Discord": "ex=65d903de&is=65c68ede&hm={0}",
    "Alibaba's CDN": "auth_key=1795371157-0-0-{0}",
    "Akamai": "hdnts=exp=1795371157~acl=/*~hmac={0}",
    "a bearer": "access_token={0}",
    "a web page's": "X-Amz-Credential=AKIA&amp;X-Amz-Signature={0}",
    "quoted": "X%2DAmz%2DSignature={0}",
    "a password": "password={0}",
}

words = st.text("abcdefghijklmnop0123456789%2F+._-~", min_size=1, max_size=8)
plain = st.lists(
    st.builds(
        "{}={}".format, st.sampled_from(["id", "n", "versionId", "x-oss-process", "part"]), words
    )
    | st.sampled_from(["", "flag", "sv=1", "expires=1", "Policy"]),
    max_size=5,
)


@pytest.mark.parametrize("query", SIGNED.values(), ids=SIGNED)
def test_two_signatures_of_a_file_give_its_address(query: str) -> None:
    addresses = [f"{FILE}?{query.format(secret)}" for secret in ("s3cr3t%2B", "0ther")]

    assert [unsigned(address) for address in addresses] == [FILE, FILE]


@given(
    front=plain,
    back=plain,
    query=st.sampled_from(sorted(SIGNED.values())),
    secret=words.map("S{}".format),
)
def test_what_does_not_sign_is_kept_in_order(
    front: list[str], back: list[str], query: str, secret: str
) -> None:
    kept = [
        piece
        for piece in (*front, *back)
        if piece.partition("=")[0].lower() not in {"sv", "expires", "policy"}
    ]
    queries = [
        "&".join([*front, query.format(signature), *back]) for signature in (secret, "another")
    ]

    first, second = (unsigned(f"{FILE}?{query}").partition("?") for query in queries)

    assert first == second
    assert secret not in first[2] or any(secret in piece for piece in kept)
    rest = first[2].split("&")
    assert [piece for piece in rest if piece.partition("=")[0] in {"id", "n", "part"}] == [
        piece for piece in kept if piece.partition("=")[0] in {"id", "n", "part"}
    ]


@given(pieces=plain)
def test_an_address_without_a_signature_stays_byte_for_byte(pieces: list[str]) -> None:
    pieces = [piece for piece in pieces if piece != "Policy"]
    query = "&".join(pieces)

    assert unsigned(f"{FILE}?{query}") == (f"{FILE}?{query}" if query else FILE)


@given(
    url=st.text()
    | st.builds(
        "http{}://{}{}".format,
        st.sampled_from(["", "s", "S"]),
        st.sampled_from(["h", "u:p@H:80", "[::1]:443", "h:x", "", "@", "ü.example:8080"]),
        st.text("/?&=#%2F:@ ;amptokensigxe\n\u017f"),
    )
)
@example(url="http://h/a ?sig=1&sv=2 #t")
@example(url="http\u017f://h/a")
@example(url="http://h/\ud800?token=\ud800")
def test_a_second_time_changes_nothing(url: str) -> None:
    once = unsigned(url)

    assert unsigned(once) == once


@given(paths=st.lists(words, min_size=2, max_size=2, unique=True), secret=words)
def test_two_files_stay_two(paths: list[str], secret: str) -> None:
    by_path = {unsigned(f"https://example.org/{path}?sig={secret}&se=1") for path in paths}
    by_query = {unsigned(f"https://example.org/get?id={path}&e=1&token={secret}") for path in paths}
    by_token = {unsigned(f"https://example.org/get?token={path}&expires=1") for path in paths}
    by_key = {unsigned(f"https://example.org/get?Key={path}&sig={secret}") for path in paths}

    assert [len(each) for each in (by_path, by_query, by_token, by_key)] == [2, 2, 2, 2]


@pytest.mark.parametrize(
    "query",
    [
        "token=s3cr3t",
        "apikey=s3cr3t",
        "signature=s3cr3t",
        "sig=s3cr3t&sp=r",
        "rlkey=s3cr3t&dl=1",
        "jwt=s3cr3t",
        "&amp;amp;X-Amz-Signature=s3cr3t",
        "to%6Ben=s3cr3t",
        f"url={quote('https://b.example/a.wav?X-Amz-Signature=s3cr3t', safe='')}",
        f"url={quote(quote('https://b.example/a.wav?X-Amz-Signature=s3cr3t', safe=''), safe='')}",
        f"{quote('https://me:s3cr3t@b.example/a.wav', safe='')}",
    ],
)
def test_what_may_be_a_secret_is_told_by_its_digest(query: str) -> None:
    shown = unsigned(f"{FILE}?{query}")

    assert "s3cr3t" not in shown
    assert "sha256-" in shown
    assert shown != unsigned(f"{FILE}?{query.replace('s3cr3t', 'an0ther')}")


@pytest.mark.parametrize(
    "url",
    [
        "https://me:s3cr3t@example.org/a.wav",
        "https://me@s3cr3t@example.org/a.wav",
        "https://me:s3cr3t/x@example.org/a.wav",
        "https://example.org/a.wav#s3cr3t",
        f"https://example.org/{quote('https://me:s3cr3t@b.example/a.wav', safe='')}",
        f"https://example.org/{quote('https://b.example/a.wav?sig=s3cr3t', safe='')}",
        "https:///s3cr3t",
        "https:s3cr3t",
        "ftp://me:s3cr3t@example.org",
    ],
)
def test_no_user_password_or_fragment_is_kept(url: str) -> None:
    assert "s3cr3t" not in unsigned(url)


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        (" HTTPS://Example.ORG:443/A.wav ", "https://example.org/A.wav"),
        ("http://example.org:80", "http://example.org/"),
        ("http://example.org:", "http://example.org/"),
        ("http://example.org:8080?id=1", "http://example.org:8080/?id=1"),
        ("https://[2001:DB8::1]:443/a", "https://[2001:db8::1]/a"),
        ("https://h/a?x-oss-process=audio/convert", "https://h/a?x-oss-process=audio/convert"),
        ("https://h/a?sv=1&st=2&se=3", "https://h/a?sv=1&st=2&se=3"),
        ("https://h/a?Expires=1&Policy2=x", "https://h/a?Expires=1&Policy2=x"),
    ],
)
def test_an_address_is_written_one_way(url: str, kept: str) -> None:
    assert unsigned(url) == kept


def test_a_name_in_a_message_cannot_act_there() -> None:
    name = named("https://example.org/\x1b[31m" + "a" * 300 + "?token=s3cr3t")

    assert name.startswith(r"'https://example.org/\x1b[31ma")
    assert len(name) == 201


@pytest.mark.parametrize(
    "much", ["://", "?", "@", ":", "&", "%25", "http://h/?u=", "[", "#", "a=", "&amp;", "token"]
)
def test_an_address_made_to_take_long_takes_no_time(much: str) -> None:
    end = "?X-Amz-Signature=s3cr3t"

    assert "s3cr3t" not in unsigned(f"http://h/{much * 100_000}{end}")
    assert "s3cr3t" not in unsigned(f"http://{much * 100_000}{end}")
