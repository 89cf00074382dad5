"""What all tests share."""

import os

# One thread: tests run beside others on few processors, where threads that wait for each other by
# spinning make a one-second test last a minute. Bits depend on the number of threads, too.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# Before any verb is defined: techniques and layers are held against the shapes that they declare.
from worker import shapes

shapes.ENABLED = True
