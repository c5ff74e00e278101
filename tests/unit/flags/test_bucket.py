import pytest

from deployguard.flags.bucket import bucket, bucket_of, encoded, hashed, limit, prefixes

KEYS = [
    "u-1",
    "9f1c2b3a4d5e6f708192a3b4c5d6e7f8",
    "x" * 13,  # 23 bytes with the seed: the last head of one byte
    "x" * 14,
    "x" * 117,  # 127 bytes: the last that goes the short way
    "x" * 118,
    "x" * 245,
    "x" * 246,
    "x" * 65_525,
    "x" * 65_526,
    "x" * 1_000_000,
    "é",
    "用户-四",
    "\N{WINKING FACE}",
    "\x00",
    "a\x00b",
    "a/b",
    " ",
    "\ud800",
    "a\udfffb",
]


@pytest.mark.parametrize(
    ("seed", "key", "place"),
    [
        ("new_checkout", "u-1", 9428),
        ("new_checkout", "u-2", 791),
        ("dual_audience_homepage", "9f1c2b3a4d5e6f708192a3b4c5d6e7f8", 4894),
        ("séed", "用户", 3351),
    ],
)
def test_users_keep_their_places(seed, key, place):
    """Worked out with cbor2 5.9 and mmh3 5.3, apart from our code. Another place would move every user."""
    assert bucket(seed, key) == place


@pytest.mark.parametrize("key", KEYS, ids=lambda key: ascii(key)[:20])
@pytest.mark.parametrize("seed", ["nine_char", "séed", "s" * 200, ""])
def test_the_fast_way_and_the_plain_way_agree(seed, key):
    before = prefixes(seed)
    if key.isascii() and len(key) < len(before):
        assert (before[len(key)] + key).encode() == encoded(seed, key)
    assert bucket(seed, key) == bucket_of(hashed(seed, key))
    assert 0 <= bucket(seed, key) < 10_000


@pytest.mark.parametrize(
    ("size", "head"),
    [
        (23, "77"),
        (24, "7818"),
        (255, "78ff"),
        (256, "790100"),
        (65_535, "79ffff"),
        (65_536, "7a00010000"),
    ],
)
def test_the_head_of_a_text_has_the_shortest_form(size, head):
    assert encoded("s", "x" * (size - 2)).hex().startswith(head + "732f78")


def test_texts_are_encoded_as_a_cbor_library_does():
    cbor2 = pytest.importorskip("cbor2")
    for key in KEYS:
        if key.isprintable() or key.isascii():
            assert encoded("seed", key) == cbor2.dumps(f"seed/{key}"), ascii(key)[:40]


def test_a_percentage_is_as_much_a_question_about_the_hash_as_about_the_bucket():
    for hundredths in range(10_001):
        edge = limit(hundredths)
        assert edge == 0 or bucket_of(edge - 1) < hundredths
        assert edge == 1 << 32 or bucket_of(edge) >= hundredths


def test_something_that_is_no_text_is_never_hashed():
    for wrong in (b"x" * 20, b"x" * 500, 5, None, ["a"], ("a",)):
        with pytest.raises((TypeError, AttributeError)):
            hashed("seed", wrong)
