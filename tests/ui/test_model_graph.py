"""Models of a page are traversed once, and only where a reference between them has changed."""

import holoviews as hv
import numpy as np
import panel as pn
import pytest
from bokeh.document import Document
from bokeh.document.models import DocumentModelManager
from bokeh.models import Column, Div

import workbench as wb
from workbench.snapshots import VIEWS, applicable
from workbench.ui.card import dataset, make_card
from workbench.ui.model_graph import one_message, traversed_if_changed


@pytest.fixture
def traversals(monkeypatch):
    counts, recompute = [], DocumentModelManager.recompute

    def counted(self):
        counts.append(1)
        return recompute(self)

    monkeypatch.setattr(DocumentModelManager, "recompute", counted)
    return counts


def test_models_are_traversed_once_at_the_end_and_only_if_references_changed(traversals):
    document, column, first, last = Document(), Column(), Div(text="a"), Div(text="b")
    document.add_root(column)
    traversals.clear()
    with traversed_if_changed(document):
        with document.models.freeze(), document.models.freeze():
            column.width = 300
    assert not traversals
    with traversed_if_changed(document), traversed_if_changed(document):
        column.children = [first]
        with document.models.freeze():
            column.children = [last]
    assert (
        len(traversals) == 1 and set(document.models) >= {column, last} and not {first} & set(document.models)
    )
    with pytest.raises(ZeroDivisionError), traversed_if_changed(document):
        column.children = [first]
        raise ZeroDivisionError
    assert first in set(document.models)
    column.children = []  # afterwards everything is as before
    assert first not in set(document.models)


def test_a_plot_that_is_updated_changes_no_reference(traversals):
    """Each redraw of the studio's plots leaves the models of the page as they are."""
    training = {"samples": 256, "early_stopping": False}
    run = wb.Run(wb.Experiment("two_moons", "realnvp", training=training, steps=4), device="cpu")
    run.step()
    document, views = Document(), applicable(run.experiment)
    cards = {name: make_card(VIEWS[name], lambda x, y: None) for name in views}

    def draw():
        snapshot = run.snapshot(views)
        for name, card in cards.items():
            with one_message(document):
                card.show(dataset(VIEWS[name], snapshot, run.experiment, list(run.history), (0, 1)))

    draw()
    pn.Column(*cards.values()).server_doc(document)
    pn.state._connected[document] = True
    draw()
    run.step()
    traversals.clear()
    draw()
    assert not traversals


def test_a_legend_is_built_anew_for_another_glyph():
    pipe = hv.streams.Pipe(data=2)
    curves = hv.DynamicMap(
        lambda data: hv.Overlay(
            [hv.Curve(np.arange(3) + i, label=f"curve {i}") for i in range(data)], group="Samples"
        ),
        streams=[pipe],
    )
    plot = hv.renderer("bokeh").get_plot(curves)
    assert len(plot.state.legend[0].items) == 2
    pipe.send(3)
    assert len(plot.state.legend[0].items) == 3
