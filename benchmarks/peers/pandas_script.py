"""What one writes to score a file: pandas in, torch, pandas out.

    python pandas_script.py ROWS.csv ANSWERS.csv THREADS

Prints its seconds and by how many MiB its memory grew at most, both from after the imports.
"""

import resource
import sys
import time

import pandas as pd
import torch
from network import CLASSES, network


def peak() -> float:
    """The most resident memory so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(source: str, target: str, threads: int) -> None:
    """Score the file."""
    module = network()
    torch.set_num_threads(threads)
    before, begun = peak(), time.perf_counter()
    rows = pd.read_csv(source)
    with torch.no_grad():
        probabilities = module(torch.from_numpy(rows.to_numpy("float32"))).softmax(1)
    best = probabilities.argmax(1)
    rows["prediction"] = [CLASSES[number] for number in best.tolist()]
    for number, name in enumerate(CLASSES):
        rows[f"probability_{name}"] = probabilities[:, number].numpy()
    rows.to_csv(target, index=False)
    print(time.perf_counter() - begun, peak() - before)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
