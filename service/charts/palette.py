"""Colours of the lines, in order; the first four are those of the owner's example."""

COLOURS = (
    (76, 175, 80),
    (33, 150, 243),
    (244, 67, 54),
    (255, 193, 7),
    (156, 39, 176),
    (0, 150, 136),
    (121, 85, 72),
    (63, 81, 181),
    (233, 30, 99),
    (96, 125, 139),
    (255, 87, 34),
    (139, 195, 74),
)


def colour(number: int) -> str:
    """The colour of a line, as `#RRGGBB`."""
    return "#{:02X}{:02X}{:02X}".format(*COLOURS[number % len(COLOURS)])


def pale(number: int) -> str:
    """The same, mostly transparent, as CSS writes it."""
    return "rgba({}, {}, {}, 0.2)".format(*COLOURS[number % len(COLOURS)])
