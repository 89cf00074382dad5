"""Whether the time of a refusal tells how much of a key was right, or whether there is such an id.

    python benchmarks/key_timing.py [--rounds 100] [--tries 100]

In each round there is a new key. Refused, in random order, are keys that begin as it does, and keys
that begin otherwise, always the same way; the rest of each is random. Likewise keys of its id, and
of an unknown one. New keys and a constant other beginning are the control: what is asked again and
again is read faster, right or wrong, and some digits are read faster than others.

Printed are the medians over rounds of the rounds' medians, in nanoseconds, and the p of Wilcoxon's
test of their differences: one that can be seen has a small p.
"""

import argparse
import random
import statistics
import time
from typing import cast

from scipy.stats import wilcoxon

from service.security.key_ring import KeyRing
from worker.caller import Permission
from worker.storage import keys
from worker.storage.database import Database
from worker.storage.keys import KeyChanges, StoredKey

DIGITS = (8, 16, 32, 56)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--tries", type=int, default=100, help="of each kind, in a round")
    options = parser.parse_args()
    print(f"{'':14}{'right':>8}{'other':>8}{'p':>8}")
    for digits in (*DIGITS, None):
        rounds = [compared(digits, options.tries) for _ in range(options.rounds)]
        right, other = zip(*rounds, strict=True)
        p = wilcoxon(right, other).pvalue
        what = "id" if digits is None else f"{digits} digits"
        print(f"{what:14}{statistics.median(right):8.0f}{statistics.median(other):8.0f}{p:8.3f}")


def compared(digits: int | None, tries: int) -> tuple[float, float]:
    """The medians of a round: keys that begin rightly, and keys that begin otherwise."""
    ring, text = ring_with_a_key()
    known, other = text.rpartition("_")[0] + "_", keys.new_text()
    end = len(known) + (digits or 0)
    wrong = other[:end] if digits is None else known + other[len(known) : end]
    # Made before, and copied in the order of use: what is done to make one, and where it lies in
    # memory, would be felt as well.
    heads = (text[:end], wrong)
    asked = [(kind, random_from(heads[kind])) for kind in (0, 1) for _ in range(tries)]
    random.shuffle(asked)
    asked = [(kind, one.encode().decode()) for kind, one in asked]
    taken: tuple[list[int], list[int]] = ([], [])
    for kind, one in asked:
        begun = time.perf_counter_ns()
        found = ring.find(one)
        taken[kind].append(time.perf_counter_ns() - begun)
        assert found is None
    return statistics.median(taken[0]), statistics.median(taken[1])


def ring_with_a_key() -> tuple[KeyRing, str]:
    """A ring that knows a new key, and that key."""
    text = keys.new_text()
    known = StoredKey(
        keys.key_id(text) or "", "default", keys.digest(text), frozenset(Permission), None
    )
    ring = KeyRing(cast(Database, None), float("inf"))
    ring.take(KeyChanges(1, (known,)))
    assert ring.find(text) is not None
    return ring, text


def random_from(head: str) -> str:
    """A key that begins so."""
    return head + keys.new_text()[len(head) :]


if __name__ == "__main__":
    main()
