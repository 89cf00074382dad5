"""The processes of a worker: who trains, when, and what watches over it.

A doorbell message wakes a *slot*; its *supervisor* claims a fleet in the database and hands it to a
*trainer*, forked from a warm *standby* that has torch in memory. The *reconciler* repeats whatever
was lost. A trainer needs no Celery, and a supervisor no torch.

Waking up:

``doorbell, celery_app``            Celery at both ends; the app for Celery's own commands
``slot, supervisor``                a pool process of a worker; claims fleets and watches their
                                    trainers
``reconciler, caretaker``           what is queued and unclaimed is announced again; leases that ran
                                    out are taken back
``devices``                         which device a worker trains on

A trainer:

``standby, trainer``                the process that trainers are forked from; the forked one
``fleet_training, fleet_rows``      a claimed fleet, from its rows to its results; what the database
                                    says of it
``checkpoints, checkpoint_writer``  checkpoints of a fleet; the process that writes them
``patience, step_watcher``          faults of the place are waited out; the supervisor hears of
                                    steps
``appraising, ensembling``          the last fleet of a job compares all networks, and builds the
                                    ensemble
``batch_prediction, scored_table``  a prediction of a stored data set; its rows with the answers

Beside them:

``processes, redis_server``         Redis and a worker, started and watched by `parsimony up`
``lifeline, restarts``              children that end with their parent; pauses before a restart
``collector``                       removes what is kept no longer
``webhook_sender``                  tells endpoints of ended jobs
``logs``                            log files of bounded size

What other rooms use are the modules listed below; none is imported here.
"""

__all__ = [
    "collector",
    "doorbell",
    "lifeline",
    "processes",
    "reconciler",
    "redis_server",
    "restarts",
    "webhook_sender",
]
