"""``python -m worker.runtime``: a worker, configured by its environment."""

from worker.runtime.tasks import main

if __name__ == "__main__":
    main()
