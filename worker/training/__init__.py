"""Training. Begin with ``fleet``: a fleet, an epoch, a step, the end of an epoch.

``fleet`` is the loop and ``engine`` what it works with; the other files are called from one of
these two.

The loop:

``fleet``                    ``FleetRun``: epochs, the update, who stops. The page to begin with
``engine``                   networks, data, techniques and optimizers of K trials
``stepping``                 a step launched, captured as a CUDA graph, or an iteration of the
                             solver
``watch``                    whether a trial has improved, and whether it stops
``outcome``                  how each trial ended, and with which weights
``state``                    everything needed to go on later, as safetensors and JSON

A step:

``fleet_data``               rows on the device, and the order in which each trial sees them
``training_loss``            the loss that is trained on: augmented rows, changed targets, weights
``losses``                   the data losses and their derivatives
``optimizers``               SGD and Adam on ``[K, P]``, and none, for a solver
``schedules``                the learning rate over the epochs
``numbers``                  a number that all trials share, or one each
``embeddings``               frequencies and bins that embeddings start with
``solver``                   a package: linear networks solved to the optimum

Measuring:

``metrics, measured_rows``   metrics ``[K]`` in eval mode; on which training rows
``eval_weights, snapshots``  the weights that would be served: averages; members of a snapshot
                             ensemble
``final``                    what is measured at the end alone: thresholds, curves
``sparsity, pruning``        zeros, dead units and unused columns; how well a pruned network answers
``result``                   what a finished fleet gives: results, and the model file

The machine:

``processor``                threads and precision
``environment``              what the last bits depend on
``probe``                    a few steps, timed and weighed, for the estimate of a job
"""

from worker.training.final import Threshold
from worker.training.fleet import EpochReport, FleetRun
from worker.training.losses import DataLoss, data_loss
from worker.training.probe import Probe, probe
from worker.training.processor import (
    compute_exactly,
    give_memory_back,
    threads_for,
    tune_processor,
)
from worker.training.state import Position, TrainingState, dump_state, load_state

__all__ = [
    "DataLoss",
    "EpochReport",
    "FleetRun",
    "Position",
    "Probe",
    "Threshold",
    "TrainingState",
    "compute_exactly",
    "data_loss",
    "dump_state",
    "give_memory_back",
    "load_state",
    "probe",
    "threads_for",
    "tune_processor",
]
