"""The bucket: a user's place 0 to 9,999 under a seed.

`(murmur3_32(CBOR(seed + "/" + targetingKey)) x 10000) >> 32`, the hash unsigned, the CBOR of one text string (RFC 8949
section 3.1, major type 3) encoded by hand. This is `fractional` of flagd's specification v3 over
`{"cat": [seed + "/", {"var": "targetingKey"}]}` with weights that add up to 10,000.

Below a percentage is a question about the hash as much as about the bucket: `bucket < p` is `hash < limit(p)`, exactly.
"""

from mmh3 import hash as murmur3

BUCKETS = 10_000


def bucket(seed: str, targeting_key: str) -> int:
    """The user's place 0 to 9,999 under `seed`."""
    return bucket_of(hashed(seed, targeting_key))


def hashed(seed: str, targeting_key: str) -> int:
    """The user's unsigned 32-bit hash under `seed`."""
    return murmur3(encoded(seed, targeting_key), 0, False)  # unsigned; it takes no keyword as fast


def bucket_of(hash32: int) -> int:
    return (hash32 * BUCKETS) >> 32


def limit(hundredths: int) -> int:
    """The lowest hash whose bucket is not below `hundredths`."""
    return -((-hundredths << 32) // BUCKETS)


def encoded(seed: str, targeting_key: str) -> bytes:
    """The bytes that are hashed. Lone surrogates, which no UTF-8 has, are written as they stand."""
    text = (seed + "/" + targeting_key).encode("utf-8", "surrogatepass")
    return _head(len(text)) + text


def prefixes(seed: str) -> tuple[str, ...]:
    """What stands before an ASCII key of each length, for one seed: laid out once, several times as fast to hash.

    The CBOR head of an ASCII text below 128 bytes is ASCII itself, so head, seed and key are joined as one text, which
    mmh3 hashes by its UTF-8 bytes. A key for which there is no prefix, or beyond ASCII, takes `hashed`: mmh3 must never
    be given a text with a lone surrogate, on which 5.3 ends the process.
    """
    start = f"{seed}/"
    return tuple(_head(size).decode() + start for size in range(len(start), 128)) if start.isascii() else ()


def _head(size: int) -> bytes:
    """CBOR's head of a text of `size` bytes: the shortest form, as the specification wants it."""
    if size < 24:
        return bytes((0x60 + size,))
    for mark, width in ((0x78, 1), (0x79, 2), (0x7A, 4)):
        if size < 1 << (8 * width):
            return bytes((mark,)) + size.to_bytes(width, "big")
    return b"\x7b" + size.to_bytes(8, "big")
