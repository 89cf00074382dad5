"""``python -m worker.runtime``: a worker, configured by its environment."""

from worker.runtime.doorbell import main

if __name__ == "__main__":
    main()
