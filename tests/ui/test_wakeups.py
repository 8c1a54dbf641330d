"""The wake hub: coalesced, isolated, without leftovers."""

from workbench.ui.wakeups import WakeHub


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


def test_many_wakes_make_one_look():
    hub, document, looks = WakeHub(), Document(), []
    hub.register(document, lambda: looks.append(1))
    for _ in range(50):
        hub.wake()
    document.turn()
    assert len(looks) == 1


def test_a_wake_during_a_look_is_not_lost():
    hub, document, looks = WakeHub(), Document(), []

    def look():
        looks.append(1)
        if len(looks) == 1:
            hub.wake()

    hub.register(document, look)
    hub.wake()
    document.turn()
    document.turn()
    assert len(looks) == 2


def test_only_the_named_document_is_woken():
    hub, one, other = WakeHub(), Document(), Document()
    hub.register(one, lambda: None)
    hub.register(other, lambda: None)
    hub.wake(one)
    assert one.waiting and not other.waiting


def test_a_document_that_has_ended_is_forgotten_and_does_not_stop_the_others():
    hub, ended, other, looks = WakeHub(), Document(ended=True), Document(), []
    hub.register(ended, lambda: None)
    hub.register(other, lambda: looks.append(1))
    hub.wake()
    other.turn()
    assert looks and len(hub) == 1


def test_after_unregistering_nothing_runs():
    hub, document, looks = WakeHub(), Document(), []
    hub.register(document, lambda: looks.append(1))
    hub.wake()
    hub.unregister(document)
    hub.unregister(document)
    document.turn()
    assert not looks and len(hub) == 0
