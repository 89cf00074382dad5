"""A model as a torch module without a trial dimension, which `torch.export` traces.

It takes what columns are once they are numbers, and answers as the service does; names of
categories and classes are no tensors, and stand beside it.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from worker.data import FIRST_DAY, LARGEST, LAST_DAY, SOFT_LIMIT, Encoder
from worker.models.export.steps import (
    Activate,
    Add,
    Convolve,
    Embed,
    Flatten,
    Gemm,
    MaxPool,
    Normalize,
    Path,
    Scale,
    Step,
    encoder_numbers,
    encoders,
    log_odds,
    paths,
)
from worker.models.trained_model import TrainedModel

Answer = dict[str, Tensor]
"""`best` int64 ``[N]`` (the number of the class) and `probabilities` float32 ``[N, C]``, with
`value` int64 ``[N]`` where classes are whole numbers; of a regression `value`, float64 ``[N]``."""


class ExportedModel(nn.Module):
    """Columns → answers. Of `numbers`, `codes` and `images` those are given that the model has."""

    def __init__(self, model: TrainedModel) -> None:
        super().__init__()
        self.preprocessing = nn.ModuleList(
            TableInputs(encoder) if encoder.pixels is None else PixelInputs(encoder)
            for encoder in encoders(model)
        )
        self._encoders = encoder_numbers(model)
        self._offset = model.encoder.offset
        self.members = nn.ModuleList(_sequence(path) for path in paths(model))
        self.answers = (
            Regression(model) if model.target.task == "regression" else Classification(model)
        )
        self.requires_grad_(False)
        self.eval()

    def forward(
        self,
        numbers: Tensor | None = None,
        codes: Tensor | None = None,
        images: Tensor | None = None,
    ) -> Answer:
        """Answer N rows.

        Args:
            numbers: float64 ``[N, P]``, numeric and date columns in order (dates as days since
                1970-01-01), NaN where a cell is missing.
            codes: int64 ``[N, Q]``, categorical columns in order, −1 where a cell is missing or
                no category.
            images: float32 ``[N, …]``.
        """
        given = {"numbers": numbers, "codes": codes, "images": images}
        present = {name: t for name, t in given.items() if t is not None}
        encoded = [encode(**present) for encode in self.preprocessing]
        offset: Tensor | float = 0.0
        if self._offset:
            offset = encoded[0][:, -1:]
            encoded = [x[:, :-1] for x in encoded]
        scores = [
            member(encoded[number])
            for member, number in zip(self.members, self._encoders, strict=True)
        ]
        answer: Answer = self.answers(torch.stack(scores) + offset)
        return answer


class TableInputs(nn.Module):
    """As ``Encoder.transform``: float64, rounded once."""

    acts: Tensor
    fill: Tensor
    center: Tensor
    scale: Tensor

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self._columns = [
            (column.kind, column.time_of_day, len(column.categories)) for column in encoder.columns
        ]
        self._clips_smoothly = encoder.clips_smoothly
        for name in ("fill", "center", "scale"):
            self.register_buffer(name, _own(getattr(encoder, name)))
        self.register_buffer("acts", _own(encoder.acts != 0))
        sizes = [len(column.categories) for column in encoder.columns if column.categories]
        for kind, values in zip(("hit", "miss"), encoder.indicators, strict=True):
            for number, of_column in enumerate(np.split(values, np.cumsum(sizes)[:-1])):
                self.register_buffer(f"{kind}_{number}", _own(of_column))

    def forward(self, numbers: Tensor | None = None, codes: Tensor | None = None) -> Tensor:
        """``[N, F]`` float32."""
        blocks: list[Tensor] = []
        place = number = text = category = 0
        for kind, time_of_day, size in self._columns:
            if kind == "categorical":
                if codes is not None and size:
                    names = torch.arange(size)
                    hit = codes[:, text : text + 1] == names
                    here, there = (self.get_buffer(f"{of}_{category}") for of in ("hit", "miss"))
                    blocks.append(torch.where(hit, here, there))
                    category += 1
                text += 1
            elif numbers is not None:
                column = numbers[:, number : number + 1]
                if kind == "date":
                    column = torch_date_parts(column, time_of_day=time_of_day)
                part = slice(place, place + column.shape[1])
                blocks.append(self._scaled(column, part))
                place, number = part.stop, number + 1
        return torch.cat(blocks, dim=1)

    def _scaled(self, values: Tensor, part: slice) -> Tensor:
        filled = torch.where(values.isnan(), self.fill[part], values)
        scaled = (filled - self.center[part]) / self.scale[part]
        scaled = torch.where(self.acts[part], scaled, torch.zeros_like(scaled))
        scaled = scaled.clamp(-LARGEST, LARGEST)
        if self._clips_smoothly:
            scaled = scaled / torch.sqrt(1.0 + torch.square(scaled / SOFT_LIMIT))
        return scaled.float()


class PixelInputs(nn.Module):
    """As ``PixelScaling.transform``."""

    center: Tensor
    scale: Tensor

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        pixels = encoder.pixels
        if pixels is None:
            raise ValueError("there are no images")
        self._low, self._high = pixels.range.tolist()
        shape = (-1, *[1] * (len(encoder.shape) - 1))
        self.register_buffer("center", _own(pixels.center).view(shape))
        self.register_buffer("scale", _own(pixels.scale).view(shape))

    def forward(self, images: Tensor) -> Tensor:
        """``[N, C, …]`` float32."""
        share = (images.double() - self._low) / (self._high - self._low)
        scaled: Tensor = (share - self.center) / self.scale
        return scaled.clamp(-LARGEST, LARGEST).float()


def torch_date_parts(dates: Tensor, *, time_of_day: bool) -> Tensor:
    """As ``calendar.date_parts``, ``[N, 1]`` → ``[N, parts]``, NaN where a date is missing.

    Source: H. Hinnant, chrono-Compatible Low-Level Date Algorithms, 2021.
    """

    def after_start(year: Tensor) -> Tensor:
        return 365 * year + year // 4 - year // 100

    missing = dates.isnan()
    days = torch.where(missing, torch.zeros_like(dates), dates).clamp(FIRST_DAY, LAST_DAY)
    start = days.floor()
    day = start.long() + 719_468  # from 0000-03-01
    era = day // 146_097
    of_era = day - era * 146_097
    year_of_era = (of_era - of_era // 1_460 + of_era // 36_524 - of_era // 146_096) // 365
    from_march = (5 * (of_era - after_start(year_of_era)) + 2) // 153
    early = (from_march >= 10).long()  # January and February
    year = year_of_era + 400 * era + early
    before = year - 1
    era = before // 400
    new_year = era * 146_097 + after_start(before - 400 * era) + 306
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    turn = 2 * torch.pi * ((day - new_year).double() / (365 + leap.long()))
    parts = [
        year.double(),
        (from_march + 3 - 12 * early).double(),
        ((day + 2) % 7).double(),
        turn.sin(),
        turn.cos(),
        days,
    ]
    if time_of_day:
        hour = 2 * torch.pi * (days - start)
        parts += [hour.sin(), hour.cos()]
    joined = torch.cat(parts, dim=1)
    return torch.where(missing, torch.full_like(joined, torch.nan), joined)


class _Mean(nn.Module):
    """``[M, N, …]`` → ``[N, …]``: each member by its share."""

    shares: Tensor

    def __init__(self, model: TrainedModel) -> None:
        super().__init__()
        self._equal = not model.weights
        self.register_buffer("shares", torch.tensor(model.weights or (1.0,)).view(-1, 1, 1))

    def forward(self, of_members: Tensor) -> Tensor:
        """Their mean."""
        return of_members.mean(0) if self._equal else (of_members * self.shares).sum(0)


class Regression(nn.Module):
    """Members' scores ``[M, N, 1]`` → the target in its own unit."""

    def __init__(self, model: TrainedModel) -> None:
        super().__init__()
        self._scale, self._center = model.target_scale, model.target_center
        self._log_link = model.has_log_link
        self.mean = _Mean(model)

    def forward(self, scores: Tensor) -> Answer:
        """The mean of the members."""
        values = self.mean(scores)[:, 0].double()
        if self._log_link:
            values = values.exp()
        return {"value": values * self._scale + self._center}


class Classification(nn.Module):
    """Members' scores ``[M, N, O]`` → mean probabilities, and the class that is answered."""

    numbers: Tensor

    def __init__(self, model: TrainedModel) -> None:
        super().__init__()
        target = model.target
        self._positive = target.positive_number
        self._cut = log_odds(model.threshold)
        self._whole = target.whole_numbers is not None
        self.mean = _Mean(model)
        if target.whole_numbers is not None:
            self.register_buffer("numbers", torch.tensor(target.whole_numbers))

    def forward(self, scores: Tensor) -> Answer:
        """As ``TrainedModel.read_scores``."""
        if self._positive is None:
            probabilities = self.mean(scores.softmax(2))
            best = probabilities.argmax(1)
        else:
            sides = self.mean(torch.cat([(-scores).sigmoid(), scores.sigmoid()], dim=2))
            probabilities = sides
            if len(scores) == 1:
                odds = scores[0, :, 0].double()
            else:
                odds = sides[:, 1].double().log() - sides[:, 0].double().log()
            reached = (odds if self._positive == 1 else -odds) >= self._cut
            best = torch.where(reached, self._positive, 1 - self._positive)
        answer = {"best": best, "probabilities": probabilities}
        if self._whole:
            answer["value"] = self.numbers[best]
        return answer


def _sequence(path: Path) -> nn.Sequential:
    return nn.Sequential(*(_Step.of(step) for step in path))


class _Step(nn.Module):
    """One step; its numbers are buffers."""

    @staticmethod
    def of(step: Step) -> nn.Module:
        if isinstance(step, Embed):
            return _Embedding(step)
        return _Sum(step) if isinstance(step, Add) else _Step(step)

    def __init__(self, step: Step) -> None:
        super().__init__()
        for name, values in _arrays(step):
            self.register_buffer(name, _own(values.astype(np.float32)))
        self._step = step

    def forward(self, h: Tensor) -> Tensor:
        """``[N, …]`` → ``[N, …]``."""
        match self._step:
            case Gemm():
                return torch.addmm(self.get_buffer("bias"), h, self.get_buffer("weight"))
            case Convolve():
                convolve = functional.conv1d if h.ndim == 3 else functional.conv2d
                return convolve(
                    h, self.get_buffer("weight"), self.get_buffer("bias"), padding="same"
                )
            case MaxPool(window):
                pooled: Tensor = (functional.max_pool1d if h.ndim == 3 else functional.max_pool2d)(
                    h, window
                )
                return pooled
            case Flatten():
                return h.flatten(1)
            case Activate(name):
                activated: Tensor = getattr(functional, name)(h)
                return activated
            case Scale():
                return h * self._wide("factor", h) + self._wide("offset", h)
            case Normalize(epsilon=epsilon):
                normed = functional.layer_norm(h, h.shape[1:], eps=epsilon)
                return normed * self._wide("factor", h) + self._wide("offset", h)
            case _:
                raise TypeError(type(self._step).__name__)

    def _wide(self, name: str, h: Tensor) -> Tensor:
        return self.get_buffer(name).view(-1, *[1] * (h.ndim - 2))


class _Embedding(nn.Module):
    """Numbers, embedded."""

    places: Tensor
    others: Tensor

    def __init__(self, step: Embed) -> None:
        super().__init__()
        for name in ("places", "others"):
            self.register_buffer(name, _own(getattr(step, name)))
        for name in ("turned", "bins", "weight", "bias"):
            values = getattr(step, name)
            if values is not None:
                self.register_buffer(name, _own(values.astype(np.float32)))
        self._periodic, self._dense = step.turned is not None, step.weight is not None

    def forward(self, h: Tensor) -> Tensor:
        """``[N, F]`` → ``[N, P·D + F − P]``."""
        x = h[:, self.places].t().unsqueeze(2)  # [P, N, 1]
        if self._periodic:
            angle = x * self.get_buffer("turned").unsqueeze(1)
            encoded = torch.cat([angle.cos(), angle.sin()], dim=2)
        else:
            low, span, least, most = self.get_buffer("bins").unsqueeze(2).unbind(0)
            encoded = torch.clamp((x - low) / span, least, most)
        if self._dense:
            encoded = torch.baddbmm(self.get_buffer("bias"), encoded, self.get_buffer("weight"))
            encoded = encoded.relu()
        return torch.cat([encoded.transpose(0, 1).flatten(1), h[:, self.others]], dim=1)


class _Sum(nn.Module):
    """A residual block."""

    def __init__(self, step: Add) -> None:
        super().__init__()
        self.entry = _sequence(step.entry)
        self.branches = nn.ModuleList(_sequence(branch) for branch in step.branches)

    def forward(self, h: Tensor) -> Tensor:
        """``h + Σ branch(entry(h))``."""
        entered = self.entry(h)
        for branch in self.branches:
            h = h + branch(entered)
        return h


def _arrays(step: Step) -> Iterator[tuple[str, Any]]:
    for name in ("weight", "bias", "factor", "offset"):
        values = getattr(step, name, None)
        if values is not None:
            yield name, values


def _own(values: NDArray[Any]) -> Tensor:
    """A tensor with memory of its own: an archive holds all of the memory that a tensor lies in."""
    return torch.tensor(values)
