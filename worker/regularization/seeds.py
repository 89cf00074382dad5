"""Seeds of every random stream, derived from one number and a name."""

import hashlib


def derive_seed(seed: int, *labels: str | int) -> int:
    """A 63-bit seed for the stream of that name; the same on every machine and run.

    Streams of different names are independent, so a longer one never shifts another.
    """
    text = "/".join(str(part) for part in (seed, *labels))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1
