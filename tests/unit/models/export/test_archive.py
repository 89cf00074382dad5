"""`torch.export` archives: no pickle in them, the service's answers, and refusals that are made."""

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.exported import EMBEDDED, ORIGIN, RECORDS, feeds, mixed_table, model_of, picture_table
from worker.data.calendar import date_parts
from worker.errors import ModelError
from worker.models import TrainedModel
from worker.models.export import export
from worker.models.export.archive import load_archive, refuse_pickle, save_archive, tensors
from worker.models.export.check import check_pt2
from worker.models.export.module import ExportedModel, torch_date_parts
from worker.models.export.rows import make_rows

pytestmark = pytest.mark.timeout(600)  # tracing takes 2 s, many more on a busy machine

TASKS = ("regression", "binary", "multiclass")


def codes(model: TrainedModel, column: str) -> list[int]:
    (categories,) = [c.categories for c in model.encoder.columns if c.name == column]
    texts = [record[column] for record in RECORDS]
    return [categories.index(text) if text in categories else -1 for text in texts]


def given(model: TrainedModel) -> dict[str, Tensor]:
    """The records as docs/export.md tells to give them."""
    raw = feeds(RECORDS)
    numbers = np.hstack([raw["label"], raw["since (day)"], raw["sum"]])
    named = np.stack([codes(model, "city"), codes(model, "colour")], axis=1)
    return {"numbers": torch.from_numpy(numbers), "codes": torch.from_numpy(named)}


def agree(model: TrainedModel, instances: list[Any], found: dict[str, Tensor]) -> None:
    answers = model.answer(model.encode(model.read(instances).table))
    if answers.values is not None:
        np.testing.assert_allclose(found["value"].numpy(), answers.values, rtol=1e-5)
        return
    assert answers.best is not None
    assert found["best"].tolist() == answers.best.tolist()
    np.testing.assert_allclose(found["probabilities"].numpy(), answers.probabilities, atol=1e-5)
    numbers = model.target.whole_numbers
    if numbers is not None:
        assert found["value"].tolist() == [numbers[best] for best in answers.best]


NETWORKS: dict[str, dict[str, Any]] = {
    "linear": {"network": {"kind": "linear"}},
    "residual_mlp": {
        "network": {"kind": "residual_mlp", "width": 6, "blocks": 1, "activation": "gelu"},
        "regularization": {"layer_norm": {}, "shake_shake": {}, "dropout": {"p": 0.5}},
    },
    **EMBEDDED,
    "ensemble": {
        "network": {"kind": "mlp", "hidden": [5]},
        "regularization": {"snapshot_ensemble": {"members": 2}, "batch_norm": {}},
        "training": {"epochs": 4, "batch_size": 32},
    },
}


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("kind", NETWORKS)
def test_the_traced_module_answers_as_the_service(kind: str, task: str) -> None:
    _, model = model_of(mixed_table(task), **NETWORKS[kind])
    agree(model, RECORDS, ExportedModel(model)(**given(model)))


def test_a_category_that_training_did_not_see_encodes_to_zeros() -> None:
    _, model = model_of(mixed_table("regression"), network={"kind": "linear"})
    for seen in np.eye(len(model.encoder.seen), dtype=np.float32):
        only = replace(model, encoder=replace(model.encoder, seen=seen))
        agree(only, RECORDS, ExportedModel(only)(**given(only)))


def test_the_traced_module_takes_images() -> None:
    table = picture_table("multiclass")
    network = {"kind": "cnn", "channels": [3], "hidden": [4], "activation": "silu"}
    _, model = model_of(table, network=network, regularization={"batch_norm": {}})
    pixels = table.values["picture"][:3]
    agree(model, pixels.tolist(), ExportedModel(model)(images=torch.from_numpy(pixels).float()))


def test_days_become_the_parts_of_dates() -> None:
    texts = [
        f"{year:04d}-{end}" for year in (1, 4, 1900, 2000, 2023, 9999) for end in ("02-28", "12-31")
    ]
    ends = np.array(texts, dtype="datetime64[D]").astype(float)[:, None] + np.arange(-2, 4) + 0.7
    days = np.array([*ends.reshape(-1), -1e9, 1e9, np.nan])
    found = torch_date_parts(torch.from_numpy(days[:, None]), time_of_day=True).numpy()
    np.testing.assert_allclose(found, date_parts(days, time_of_day=True), atol=1e-12)


def test_an_archive_with_a_pickle_is_refused() -> None:
    def archive(files: dict[str, bytes]) -> bytes:
        sink = io.BytesIO()
        with zipfile.ZipFile(sink, "w") as written:
            for name, content in files.items():
                written.writestr(f"archive/{name}", content)
        return sink.getvalue()

    def config(use_pickle: bool) -> bytes:
        return json.dumps(
            {"config": {"w": {"path_name": "weight_0", "use_pickle": use_pickle}}}
        ).encode()

    sound = {
        "models/model.json": b"{}",
        "data/sample_inputs/model.pt": b"",
        "data/weights/weight_0": b"abcd",
        "data/weights/model_weights_config.json": config(False),
    }
    refuse_pickle(archive(sound))
    for name, content in {
        "data/sample_inputs/model.pt": b"\x80\x02.",
        "data/weights/model_weights_config.json": config(True),
        "data/weights/weight_1": b"abcd",
        "data/constants/custom_obj_0": b"\x80\x02.",
    }.items():
        with pytest.raises(ModelError) as caught:
            load_archive(archive(sound | {name: content}))
        assert caught.value.code == "export_holds_pickle"


@pytest.fixture(scope="module")
def exported() -> tuple[bytes, TrainedModel]:
    data, model = model_of(
        mixed_table("multiclass"), regularization={"batch_norm": {}, "dropout": {"p": 0.5}}
    )
    return export(data, ORIGIN, "pt2"), model


@pytest.mark.slow
def test_torch_export_reads_the_archive(
    exported: tuple[bytes, TrainedModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the library alone, with any number of rows, and without unpickling anything."""
    content, model = exported

    def unpickled(*values: object, **options: object) -> None:
        raise AssertionError("something was unpickled")

    monkeypatch.setattr(torch, "load", unpickled)
    files = {"parsimony.json": ""}
    program = torch.export.load(io.BytesIO(content), extra_files=files)
    agree(model, RECORDS, program.module()(**given(model)))
    agree(model, RECORDS[:1], program.module()(**{n: t[:1] for n, t in given(model).items()}))
    about = json.loads(files["parsimony.json"])
    assert (about["name"], about["classes"]) == ("a model", ["3", "5", "10"])
    assert about["columns"][1]["categories"] == list(model.encoder.columns[1].categories)


@pytest.mark.slow
def test_no_file_of_the_archive_is_a_pickle_or_tells_of_this_place(
    exported: tuple[bytes, TrainedModel],
) -> None:
    with zipfile.ZipFile(io.BytesIO(exported[0])) as archive:
        for name in archive.namelist():
            content = archive.read(name)
            assert not content.startswith((b"\x80", b"PK")), name
            assert b"site-packages" not in content, name
            assert b".py" not in content, name


@pytest.mark.slow
def test_the_same_model_is_the_same_archive() -> None:
    data, _ = model_of(mixed_table("binary"), network={"kind": "linear"})
    assert export(data, ORIGIN, "pt2") == export(data, ORIGIN, "pt2")


class Dropping(ExportedModel):
    """A model whose scores drop units by a function, which no eval mode reaches."""

    def forward(  # type: ignore[override]
        self, numbers: Tensor, codes: Tensor
    ) -> dict[str, Tensor]:
        answer = super().forward(numbers, codes)
        dropped = functional.dropout(answer["probabilities"], 0.5, training=True)
        return {**answer, "probabilities": dropped}


class Masking(ExportedModel):
    """The same by a mask that is drawn."""

    def forward(  # type: ignore[override]
        self, numbers: Tensor, codes: Tensor
    ) -> dict[str, Tensor]:
        answer = super().forward(numbers, codes)
        kept = torch.rand_like(answer["probabilities"]) > 0.5
        return {**answer, "probabilities": answer["probabilities"] * kept}


class Normalizing(ExportedModel):
    """Batch normalization that was left in training mode."""

    def __init__(self, model: TrainedModel) -> None:
        super().__init__(model)
        self.norm = nn.BatchNorm1d(len(model.target.classes)).requires_grad_(False)

    def forward(  # type: ignore[override]
        self, numbers: Tensor, codes: Tensor
    ) -> dict[str, Tensor]:
        answer = super().forward(numbers, codes)
        return {**answer, "probabilities": self.norm(answer["probabilities"])}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("made", "operator"),
    [(Dropping, "dropout"), (Masking, "rand_like"), (Normalizing, "batch_norm")],
)
def test_an_archive_with_dropout_baked_in_is_refused(
    exported: tuple[bytes, TrainedModel],
    made: Callable[[TrainedModel], nn.Module],
    operator: str,
) -> None:
    model = exported[1]
    rows = make_rows(model.encoder)
    module = made(model)
    module.train()
    with pytest.raises(ModelError) as caught:
        check_pt2(save_archive(module, tensors(model, rows), "{}"), model, rows)
    assert caught.value.code == "export_keeps_dropout"
    assert any(operator in found for found in caught.value.extra["operators"])


@pytest.mark.slow
def test_an_archive_with_a_tampered_weight_is_refused(
    exported: tuple[bytes, TrainedModel],
) -> None:
    model = exported[1]
    rows = make_rows(model.encoder)
    module = ExportedModel(model)
    weight = next(b for name, b in module.named_buffers() if name.endswith("weight"))
    weight[0, 0] += 0.05
    with pytest.raises(ModelError) as caught:
        check_pt2(save_archive(module, tensors(model, rows), "{}"), model, rows)
    assert caught.value.code == "export_disagrees"
