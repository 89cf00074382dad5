"""Writes the stored assets; ``README.md`` beside it says what each is.

    python -m tests.assets.make weights
    python -m tests.assets.make openapi
    python -m tests.assets.make state 0002    (named by the head of the migrations)
    python -m tests.assets.make answers 0002  (records anew what is answered on it)

``README.md`` says how to write a state with the code of another commit.
"""

import json
import shutil
import sqlite3
import sys
import tempfile
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

from tests import stored, stored_state


def weights() -> None:
    """The final weights of deterministic trainings, with their hashes."""
    import torch
    from safetensors.torch import save_file

    torch.set_num_threads(1)
    tensors = {name: stored.final_weights(name) for name in stored.JOBS}
    save_file(
        {f"{job}/{name}": t for job, named in tensors.items() for name, t in named.items()},
        stored.WEIGHTS,
    )
    facts = {
        "arithmetic": stored.arithmetic(),
        "sha256": {name: stored.sha256(named) for name, named in tensors.items()},
    }
    stored.HASHES.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def openapi() -> None:
    """The service's OpenAPI document."""
    from service.app import create_app
    from tests.api.test_openapi_snapshot import SNAPSHOT, written
    from worker.settings import ServiceSettings

    document = create_app(ServiceSettings(state=Path("unused"))).openapi()
    SNAPSHOT.write_text(written(document), encoding="utf-8")


def state(head: str) -> None:
    """A database with rows in every table, and the files that it points at."""
    from tests.assets import past

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        past.live(folder / "state")
        with sqlite3.connect(folder / "state" / "parsimony.db") as connection:
            connection.execute("VACUUM INTO ?", [str(folder / "parsimony.db")])
        shutil.move(folder / "state" / "artefacts", folder / "artefacts")
        shutil.rmtree(folder / "state")
        _pack(head, folder)


def answers(head: str) -> None:
    """What the service answers on a state."""
    from tests.api.client import running
    from worker.settings import ServiceSettings

    archive = f"state-{head}.zip"
    with tempfile.TemporaryDirectory() as temporary:
        kept, opened = Path(temporary) / "kept", Path(temporary) / "opened"
        for folder in (kept, opened):  # opening migrates
            with ZipFile(stored_state.ASSETS / archive) as packed:
                packed.extractall(folder)
        with running(ServiceSettings(state=opened)) as client:
            stored_state.settle(client)
            found = stored_state.answers(client, stored_state.readings(client))
        text = json.dumps(found, indent=1, ensure_ascii=False)
        (kept / stored_state.ANSWERS).write_text(text + "\n", encoding="utf-8")
        _pack(head, kept)


def _pack(head: str, folder: Path) -> None:
    with ZipFile(stored_state.ASSETS / f"state-{head}.zip", "w", ZIP_DEFLATED, 9) as packed:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                packed.write(path, path.relative_to(folder))


if __name__ == "__main__":
    command, *heads = sys.argv[1:]
    {"weights": weights, "openapi": openapi, "state": state, "answers": answers}[command](*heads)
