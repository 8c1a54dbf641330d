"""Wake-ups: coalesced, per document, without leftovers."""

from workbench.ui.wakeups import Wakeups


class Document:
    """Keeps what it is asked to run next, as Bokeh's does."""

    def __init__(self, ended=False):
        self.waiting, self.ended = [], ended

    def add_next_tick_callback(self, callback):
        if self.ended:
            raise RuntimeError("the document has ended")
        self.waiting.append(callback)

    def turn(self):
        waiting, self.waiting = self.waiting, []
        for callback in waiting:
            callback()


def test_many_wake_ups_make_one_call():
    wakeups, document, calls = Wakeups(), Document(), []
    wakeups.register(document, lambda: calls.append(1))
    for _ in range(50):
        wakeups.wake()
    document.turn()
    assert len(calls) == 1


def test_a_wake_up_during_a_call_is_not_lost():
    wakeups, document, calls = Wakeups(), Document(), []

    def tick():
        calls.append(1)
        if len(calls) == 1:
            wakeups.wake()

    wakeups.register(document, tick)
    wakeups.wake()
    document.turn()
    document.turn()
    assert len(calls) == 2


def test_only_the_named_document_is_woken():
    wakeups, one, other = Wakeups(), Document(), Document()
    wakeups.register(one, lambda: None)
    wakeups.register(other, lambda: None)
    wakeups.wake(one)
    assert one.waiting and not other.waiting


def test_a_document_that_has_ended_is_forgotten_and_does_not_stop_the_others():
    wakeups, ended_document, other, calls = Wakeups(), Document(ended=True), Document(), []
    wakeups.register(ended_document, lambda: None)
    wakeups.register(other, lambda: calls.append(1))
    wakeups.wake()
    other.turn()
    assert calls and len(wakeups) == 1


def test_after_unregistering_nothing_runs():
    wakeups, document, calls = Wakeups(), Document(), []
    wakeups.register(document, lambda: calls.append(1))
    wakeups.wake()
    wakeups.unregister(document)
    wakeups.unregister(document)
    document.turn()
    assert not calls and len(wakeups) == 0
