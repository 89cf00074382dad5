"""Encoded data sets on a disk: whole or not there, never too many, of one owner each."""

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from worker.data import leave_pages
from worker.storage import matrices
from worker.storage.matrices import MATRIX, MatrixStore, StoredMatrix

OWNER, OTHER = f"ds_{'a' * 24}", f"ds_{'b' * 24}"
X = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
FILES = {"about.json": b"{}"}


@pytest.fixture
def store(tmp_path: Path) -> MatrixStore:
    return MatrixStore(tmp_path / "encoded", 4 * X.nbytes)


def pieces(x: NDArray[np.float32] = X) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Row by row, the last first."""
    flat = x.reshape(-1, x.shape[-1])
    for row in reversed(range(len(flat))):
        yield row * x.shape[-1], flat[row]


def add(store: MatrixStore, key: str, owner: str = OWNER) -> StoredMatrix:
    with store.alone(owner, key, lambda: pytest.fail("nobody else is here")):
        return store.add(owner, key, X.shape, pieces(), FILES)


def entries(store: MatrixStore, owner: str = OWNER) -> list[Path]:
    return sorted((store._folder / owner).iterdir())


def test_it_is_what_was_written_and_cannot_be_changed(store: MatrixStore) -> None:
    assert store.find(OWNER, "a") is None
    for found in (add(store, "a"), store.find(OWNER, "a")):
        assert found is not None
        np.testing.assert_array_equal(found.x, X)
        assert found.files == FILES
        with pytest.raises(ValueError, match="read-only"):
            found.x[0] = 1
    assert store.find(OWNER, "b") is None
    assert store.find(OTHER, "a") is None
    paths = [store._folder, *store._folder.rglob("*")]
    assert all(path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO) == 0 for path in paths)


def test_pages_come_back(tmp_path: Path) -> None:
    x = np.arange(2**21, dtype=np.float32).reshape(2, -1, 4)
    store = MatrixStore(tmp_path, x.nbytes)
    found = store.add(OWNER, "a", x.shape, [(0, x)], FILES).x

    def resident() -> int:
        """KiB of the process that files back, those in memory too."""
        status = Path("/proc/self/status").read_text().splitlines()
        backed = [line.split()[1] for line in status if line.startswith(("RssFile", "RssShmem"))]
        return sum(map(int, backed))

    assert np.array_equal(found, x)
    before = resident()
    leave_pages(found[0])
    leave_pages(x)
    assert before - resident() > 0.9 * x.nbytes / 1024
    assert np.array_equal(found, x)


def test_what_was_interrupted_is_not_there(store: MatrixStore) -> None:
    def broken() -> Iterator[tuple[int, NDArray[np.float32]]]:
        yield from list(pieces())[:2]
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        store.add(OWNER, "a", X.shape, broken(), FILES)
    assert entries(store) == []
    assert store.find(OWNER, "a") is None


def test_what_was_cut_short_is_made_anew(store: MatrixStore) -> None:
    add(store, "a")
    (place,) = entries(store)
    os.truncate(place / MATRIX, 5)
    assert store.find(OWNER, "a") is None
    np.testing.assert_array_equal(add(store, "a").x, X)


def test_another_start_of_the_machine_does_not_know_it(
    store: MatrixStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(store, "a")
    monkeypatch.setattr(matrices, "_boot", lambda: "another")
    assert store.find(OWNER, "a") is None


def test_those_used_longest_ago_go_and_stay_readable(store: MatrixStore) -> None:
    first = add(store, "0")
    for number, key in enumerate(["1", "2", "3"]):
        add(store, key, OTHER if number else OWNER)
    for age, place in enumerate(
        place for owner in (OWNER, OTHER) for place in entries(store, owner)
    ):
        os.utime(place, (1e9 + age, 1e9 + age))
    used = store.find(OWNER, "0")  # which makes the other one of its owner the oldest
    assert used is not None
    add(store, "4")
    kept = [
        (key, store.find(owner, key) is not None) for owner in (OWNER, OTHER) for key in "01234"
    ]
    there = {key for key, found in kept if found}
    assert there == {"0", "2", "3", "4"}
    shutil.rmtree(store._folder)
    np.testing.assert_array_equal(first.x, X)


def test_what_was_abandoned_goes(store: MatrixStore) -> None:
    add(store, "a")
    part = store._folder / OTHER / f".{'0' * 40}.part"
    part.mkdir(parents=True)
    with store._lock("0" * 40) as file:
        assert matrices._locked(file)
        add(store, "b")
        assert part.exists()  # somebody writes it
    add(store, "c")
    assert not part.exists()


def test_what_is_too_large_has_no_place(store: MatrixStore) -> None:
    assert store.takes(4 * X.nbytes)
    assert not store.takes(4 * X.nbytes + 1)


def test_a_data_set_is_forgotten(store: MatrixStore) -> None:
    add(store, "a")
    add(store, "a", OTHER)
    assert sorted(store.owners()) == [OWNER, OTHER]
    store.forget(OWNER)
    store.forget(f"ds_{'c' * 24}")
    assert store.owners() == [OTHER]
    assert store.find(OWNER, "a") is None


@pytest.mark.parametrize("owner", ["..", "a/b", "", "locks"])
def test_only_ids_are_owners(store: MatrixStore, owner: str) -> None:
    with pytest.raises(ValueError, match="no id"):
        store.forget(owner)


def test_one_makes_it_while_others_wait(store: MatrixStore) -> None:
    """What waits is told so, and may give up by an error of its own."""

    class StoppedError(Exception):
        pass

    def stop() -> None:
        raise StoppedError

    with (
        store.alone(OWNER, "a", lambda: None),
        pytest.raises(StoppedError),
        store.alone(OWNER, "a", stop),
    ):
        pytest.fail("two had it alone")
    with store.alone(OWNER, "a", lambda: pytest.fail("it is free")):
        pass
