"""The report as one page: what the Markdown says, with the job's pictures as SVG, without a script.

Written for mail and archives: no reference leads out of the file.
"""

import re
from html import escape

from markdown_it import MarkdownIt
from sqlalchemy.orm import Session

from service import charts
from service.charts.drawing import draw
from service.markdown_report import markdown
from service.schemas.results import Report
from worker.errors import ConflictError, NotFoundError
from worker.storage.artefacts import Artefacts
from worker.storage.tables import Job

CONTENT_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""Of a browser: the page needs its own style and nothing else."""
LEADING: tuple[charts.PictureKind, ...] = ("curves", "path", "surface", "attribution")
"""The pictures below the verdict, as far as the job has them."""
FOLLOWING: tuple[charts.PictureKind, ...] = ("confusion", "calibration")
"""Those below the tables."""
WIDTH = 760
STYLE = """
:root { color-scheme: light }
body { margin: 2.5rem auto; max-width: 48rem; padding: 0 1rem; background: #fff; color: #1c1e21;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .5rem; overflow-wrap: anywhere }
h1 + p { font-size: 1.15rem; border-left: 4px solid #2a6f97; padding-left: .8rem }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem }
figure { margin: 1.5rem 0; overflow-x: auto }
svg { max-width: 100%; height: auto; display: block }
.table { overflow-x: auto }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums }
th, td { padding: .35rem .7rem; text-align: left; border-bottom: 1px solid #dfe3e8;
  vertical-align: top }
th { border-bottom: 2px solid #9aa5b1; font-weight: 600 }
li { margin: .3rem 0 }
code { font-size: .9em; background: #f2f4f7; padding: .1em .3em; border-radius: 3px }
@media print { body { margin: 0; max-width: none } figure, table { break-inside: avoid } }
"""
_METADATA = re.compile(r"<metadata>.*?</metadata>", re.DOTALL)


def html_report(session: Session, artefacts: Artefacts, job: Job, report: Report) -> str:
    """The page of a job."""
    text = markdown(report, name=job.name, advice=job.advice)
    # CommonMark without HTML: what a user wrote is text, whatever it looks like.
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    body = body.replace("<table>", '<div class="table"><table>')
    body = body.replace("</table>", "</table></div>")
    verdict, divider, rest = body.partition("<h2>")
    above, below = (
        "".join(_figures(session, artefacts, job, kinds)) for kinds in (LEADING, FOLLOWING)
    )
    title = escape(job.name or job.id)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{STYLE}</style></head>\n"
        f"<body>{verdict}{above}{divider}{rest}{below}</body></html>\n"
    )


def _figures(
    session: Session, artefacts: Artefacts, job: Job, kinds: tuple[charts.PictureKind, ...]
) -> list[str]:
    figures = []
    for kind in kinds:
        try:
            wanted = charts.Wanted(kind=kind)
            picture = charts.picture_of(session, artefacts, job, wanted)
        except (NotFoundError, ConflictError):
            continue  # it has no such picture, or none yet
        content = draw(picture, "svg", width=WIDTH, height=picture.height).decode()
        label = escape(picture.title, quote=True)
        svg = _METADATA.sub("", content[content.index("<svg") :])
        svg = svg.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)
        figures.append(f"<figure>{svg}</figure>\n")
    return figures
