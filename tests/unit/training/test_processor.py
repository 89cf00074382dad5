from worker.training.processor import threads_for


def test_small_fleets_take_one_thread() -> None:
    assert threads_for(trials=4, batch_size=32, parameters=2_751, limit=8) == 1
    assert threads_for(trials=64, batch_size=256, parameters=2_751, limit=8) == 8
