"""Who trains and when: the doorbell, supervisors, trainers, and the reconciler."""
