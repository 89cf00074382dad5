"""The pages of the techniques, one for each family, and that of the settings."""

import re
from collections.abc import Iterator

import pictures as drawn

from docs.readme_tables import cell, settings_table
from worker.regularization.card import Card, FieldCard, catalogue

FAMILIES = {
    "penalty": ("Penalties", "Added to the loss, or applied as a step after the update."),
    "decay": ("Decay", "Weights shrink at the update."),
    "constraint": ("Constraint", "Weights are kept within bounds after the update."),
    "dropout": ("Dropout", "Parts of the network are left out at random; all answer in eval mode."),
    "normalization": ("Normalization", "A layer that gives what enters it one scale."),
    "noise": ("Noise", "Random numbers are added in training; none in eval mode."),
    "target": ("Targets", "What is learnt from a row, and how much it counts."),
    "output_penalty": ("Penalties of outputs", "Added to the loss, of what the network answers."),
    "augmentation": ("Augmentation", "Training rows are changed; the others never."),
    "averaging": ("Averaging", "The weights that answer are a mean over those of training."),
    "stopping": ("Stopping", "Training ends where it brings nothing more."),
}
ROWS = (
    ("When", "when"),
    ("Start with", "start"),
    ("Badly with", "badly_with"),
    ("Costs", "cost"),
    ("Units", "units"),
    ("Shapes", "shapes"),
    ("Example", "example"),
    ("Source", "source"),
)
SETTINGS = (
    "# Settings\n\nEnvironment variables of `parsimony up`, `api` and `worker`; "
    "`parsimony up --help` lists those that are options too.\n\n"
)


def pages() -> dict[str, str]:
    """Path → text. A technique of a family that is not described here fails the build."""
    made = {"generated/settings.md": SETTINGS + settings_table() + "\n"}
    families: dict[str, list[Card]] = {name: [] for name in FAMILIES}
    for card in catalogue().values():
        families[card.family].append(card)
    for name, cards in families.items():
        title, what = FAMILIES[name]
        lines = [f"# {title}", "", what, ""]
        for card in cards:
            lines += _technique(card)
        made[f"generated/techniques/{name}.md"] = "\n".join(lines)
    return made


def pictures() -> dict[str, bytes]:
    """Path → SVG, for each technique that has a picture."""
    with_picture = [name for name in catalogue() if drawn.caption(name) is not None]
    return {f"generated/techniques/{name}.svg": drawn.picture(name) for name in with_picture}


def with_links(text: str) -> str:
    """The table of all techniques, each name a link to its section."""
    for name, card in catalogue().items():
        page = f"generated/techniques/{card.family}.md#{name}"
        text = re.sub(rf"^\| `{name}` \|", f"| [`{name}`]({page}) |", text, flags=re.M)
    return text


def _technique(card: Card) -> Iterator[str]:
    yield f"## {card.title} {{ #{card.name} }}"
    yield ""
    yield f"`{card.name}` · {_text(card.summary)}"
    yield ""
    caption = drawn.caption(card.name)
    if caption is not None:
        yield f"![{caption}]({card.name}.svg){{ loading=lazy }}"
        yield ""
        yield f"*{caption}*"
        yield ""
    yield _text(card.does)
    yield ""
    yield "| | |"
    yield "| --- | --- |"
    for title, attribute in ROWS:
        said = getattr(card, attribute)
        if said:
            yield f"| {title} | {cell(_text(said))} |"
    yield ""
    if card.fields:
        yield "| setting | default | may be | searched | |"
        yield "| --- | --- | --- | --- | --- |"
        yield from map(_field, card.fields)
        yield ""


def _field(field: FieldCard) -> str:
    default = "required" if field.required else f"`{_json(field.default)}`"
    searched = "–"
    if field.search is not None:
        scale = ", logarithmic" if field.search.log else ""
        searched = f"{field.search.low:g} to {field.search.high:g}{scale}"
    what = cell(_text(field.description))
    return f"| `{field.name}` | {default} | {_bounds(field)} | {searched} | {what} |"


def _bounds(field: FieldCard) -> str:
    if field.choices:
        return ", ".join(f"`{choice}`" for choice in field.choices)
    bounds = (
        ("≥", field.minimum),
        (">", field.exclusive_minimum),
        ("≤", field.maximum),
        ("<", field.exclusive_maximum),
    )
    return ", ".join(f"{sign} {value:g}" for sign, value in bounds if value is not None) or "–"


def _json(value: object) -> str:
    words = {None: "null", True: "true", False: "false"}
    return words[value] if value is None or isinstance(value, bool) else str(value)


def _text(said: str) -> str:
    """Docstrings' double backticks as Markdown's; stars and bars are signs of mathematics here."""
    parts = re.split(r"(`+[^`]+`+)", said)
    return "".join(
        re.sub(r"`+", "`", part) if part.startswith("`") else re.sub(r"([*_<])", r"\\\1", part)
        for part in parts
    )
