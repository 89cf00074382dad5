"""The pages that people look at: one document at `/`, and the files that it loads.

They are files in this package, taken as they are: no build, no other host. What they show they ask
of the same operations as every other program.
"""

from service.web.pages import add_pages

__all__ = ["add_pages"]
