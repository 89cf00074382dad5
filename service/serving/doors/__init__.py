"""The doors: each reads one protocol and writes its answers. None knows the others."""

from service.dependencies import Services
from service.serving.doors import records
from service.serving.doors.oip import infer
from service.serving.front import Routes


def open_doors(services: Services) -> Routes:
    """The paths of the requests whose pace matters, the likeliest first, and what answers them."""
    return [
        (records.PATH, records.RecordsDoor(services.serving)),
        (infer.PATH, infer.InferDoor(services.serving)),
    ]
