"""The pages that people look at: the dashboard, the files that it loads, and the guide.

They are files in this package, taken as they are: no build, no other host. What they show they ask
of the same operations as every other program.

``pages``  the dashboard at `/`, its files below `/web/`
``guide``  the guide at `/guide/`, built by `make guide`
"""

from service.web.guide import add_guide
from service.web.pages import add_pages

__all__ = ["add_guide", "add_pages"]
