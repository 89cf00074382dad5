"""Randomness: the random operations that a computation performs, seen as they are performed.

A dropout that asks nobody whether it trains (`functional.dropout` without `training=`, that of
scaled dot product attention, one baked into an exported graph) need not show in the answers: of a
small probability it silences a unit once in a million rows. PyTorch marks every operator that draws
from a generator, so each is known by what it does, in whatever class, hook or graph it stands.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode

_PROBABILITIES = ("p", "dropout_p", "dropout")
"""What an operator calls the probability with which it drops: at 0 it draws nothing."""
_SWITCHES = ("train", "training")
"""What it calls the switch that turns it off."""


def random_operations(compute: Callable[[], object]) -> tuple[str, ...]:
    """The random operations that a computation performs, by name, each once.

    Seen are those of PyTorch, whatever generator they draw from. Operators that may drop but are
    told not to are none.
    """
    watch = _Watch()
    with torch.inference_mode(), watch:
        compute()
    return tuple(dict.fromkeys(watch.found))


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Takes note of each operator that draws random numbers, and lets it."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found: list[str] = []

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """No: to skip it, PyTorch imports its compiler first, for seconds."""
        return False

    def __torch_dispatch__(
        self,
        func: OpOverload[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = dict(kwargs or {})
        if torch.Tag.nondeterministic_seeded in func.tags and not _is_off(func, args, given):
            self.found.append(str(func).removeprefix("aten."))
        return func(*args, **given)


def _is_off(
    func: OpOverload[..., Any], args: Sequence[object], kwargs: Mapping[str, object]
) -> bool:
    """Whether an operator is told to drop nothing: by its probability or its switch."""
    arguments: dict[str, object] = {a.name: a.default_value for a in func._schema.arguments}
    arguments |= {**dict(zip(arguments, args, strict=False)), **kwargs}
    probabilities = [
        arguments[name] for name in _PROBABILITIES if isinstance(arguments.get(name), float)
    ]
    switches = [arguments[name] for name in _SWITCHES if isinstance(arguments.get(name), bool)]
    return (bool(probabilities) and not any(probabilities)) or switches == [False]
