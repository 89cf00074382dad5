"""A table whose grade follows from a size and a colour, for tests that score stored data sets."""

import numpy as np

COLOURS = ("red", "blue", "green", "grey")


def table(rows: int, seed: int, *, target: bool = True) -> str:
    """A CSV with numbers, categories, dates and missing cells; the target follows from them."""
    rng = np.random.default_rng(seed)
    lines = ["id,size,colour,day,grade" if target else "id,size,colour,day"]
    for row in range(rows):
        size = "" if rng.random() < 0.1 else f"{rng.normal() * 3:.3f}"
        colour = COLOURS[rng.integers(len(COLOURS) if seed else 3)]
        day = np.datetime64("2024-01-01") + int(rng.integers(400))
        grade = "good" if (size or "0") > "0" and colour != "red" else "bad"
        lines.append(f"r{row},{size},{colour},{day}" + (f",{grade}" if target else ""))
    return "\n".join(lines) + "\n"
