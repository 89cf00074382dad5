"""`python -m service` is `parsimony`, for where the console script is not on PATH."""

from service.cli import app

app(prog_name="parsimony")
