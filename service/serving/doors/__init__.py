"""The doors: each reads one protocol and writes its answers. None knows the others.

``exchange``                       what a door takes and gives
``oip``                            a package: the Open Inference Protocol
``invocations, scored_instances``  MLflow's and SageMaker's protocol; the forms that its rows have
``files``                          a file of rows in, the same rows with answers out
``file_request, file_outputs``     what is asked beside the file; what is written
"""

from service.dependencies import Services
from service.serving.doors import files, invocations
from service.serving.doors.oip import infer
from service.serving.front import Routes, Streams


def open_doors(services: Services) -> Routes:
    """The paths of the requests whose pace matters, the likeliest first, and what answers them."""
    return [
        (infer.PATH, infer.InferDoor(services.serving)),
        (invocations.PATH, invocations.InvocationsDoor(services.serving, services.settings)),
    ]


def open_streams(services: Services) -> Streams:
    """The paths of requests whose bodies are not held, and what answers them."""
    door = files.FileDoor(services.serving, services.settings, services.reader)
    return [(files.PATH, door.takes, door)]
