"""The card of every member: settings, costs, capabilities, refusals."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.architectures.properties import SHAPES, batch, directions, has, only, round_trip_error, tolerance
from workbench.architectures import ARCHITECTURES, CostCard
from workbench.core.capability import Capability
from workbench.core.errors import IncompatibleError, SpecError
from workbench.core.model import Model
from workbench.core.shapes import Shapes

ROOT = Path(__file__).resolve().parents[2] / "workbench"
members = pytest.mark.parametrize("key", ARCHITECTURES.keys())


def fitting(key: str, shapes: Shapes) -> Shapes:
    """These shapes, without y where the member takes none."""
    return shapes if has(key, Capability.CONDITIONAL) else Shapes(shapes.x, 0)


def test_the_order_of_the_menu_is_that_of_the_imports():
    lines = (ROOT / "architectures" / "__init__.py").read_text().splitlines()
    modules = [line.split()[1].rsplit(".", 1)[1] for line in lines if line.startswith("from workbench.arch")]
    assert [module for module in modules if module != "base"] == ARCHITECTURES.keys()


def test_the_catalogue_needs_no_torch():
    """Menus, forms and tables describe the members without loading what builds them."""
    code = (
        "import sys; from workbench.architectures import ARCHITECTURES\n"
        "from workbench.core.shapes import Shapes\n"
        "ARCHITECTURES.cards()\n"
        "[(m().refusals(Shapes(1, 0)), m().unused(Shapes(2, 1)), m().misfits([])) for m in ARCHITECTURES]\n"
        "print({'torch', 'zuko', 'scipy', 'torchdiffeq'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert result.stdout.strip() == "set()", result.stdout + result.stderr


def test_models_can_be_imported_from_the_package():
    import workbench.architectures as architectures

    models = [name for name in architectures.__all__ if name.endswith("Model")]
    assert len(models) == 7 and all(issubclass(getattr(architectures, name), Model) for name in models)


#: Files that name a member on purpose: what is open at first, what warms a worker up, parts of recipes.
NAMED = {"training/experiment.py", "training/recommended.py", "ui/choices.py", "backends/worker.py"}


def elsewhere(key: str, root: Path) -> set[str]:
    #: Files that name a member on purpose: what is open at first, what warms up a worker, a recipe's parts.
    own = {f"architectures/{key}.py", f"objectives/{key}.py"}
    files = {str(path.relative_to(root)): path.read_text() for path in root.rglob("*.py")}
    others = {n: text for n, text in files.items() if n not in own | NAMED and not n.startswith("studies/")}
    return {name for name, text in others.items() if f'"{key}"' in text}


def test_a_member_is_one_file_and_one_line(tmp_path):
    mentions = {key: elsewhere(key, ROOT) for key in ARCHITECTURES.keys()}
    assert not {key: files for key, files in mentions.items() if files}
    lines = (ROOT / "architectures" / "__init__.py").read_text().splitlines()
    for key in ARCHITECTURES.keys():
        assert sum(f"architectures.{key} import" in line for line in lines) == 1, key
    (tmp_path / "menu.py").write_text('if architecture.key == "nice": ...')
    assert elsewhere("nice", tmp_path) == {"menu.py"}


@members
def test_a_card_is_complete(key):
    member = ARCHITECTURES[key]
    assert member.summary.endswith(".") and "arXiv" in member.reference
    assert isinstance(member.cost, CostCard)
    assert all((member.cost.density, member.cost.sampling, member.cost.inverse))
    assert not member.cost.warning or member.cost.warning.endswith(".")
    exact, has_latent = (c in member.capabilities for c in (Capability.EXACT_INVERSE, Capability.LATENT))
    assert member.cost.inverse.startswith(
        "exact" if exact else ("numerical", "learned") if has_latent else "none"
    )
    assert member.capabilities <= set(Capability)
    assert set(member.formats) == {"graph", "onnx"}
    for setting in member.settings():
        assert setting.doc.endswith("."), setting.name
        assert setting.kind in {"choice", "boolean"} or len(setting.bounds) == 2, setting.name


@members
def test_a_module_opens_with_its_equations(key):
    import importlib

    card = importlib.import_module(ARCHITECTURES[key].__module__).__doc__
    words = ("forward", "log-det", "inverse") if has(key, Capability.BIJECTION) else ("inverse", "Trained by")
    assert all(word in card for word in (*words, "Source:"))


@members
@pytest.mark.parametrize("shapes", [*SHAPES, Shapes(0, 0)], ids=lambda s: f"{s.x}-{s.y}")
def test_refusals_are_sentences_and_build_keeps_to_them(key, shapes):
    spec = ARCHITECTURES.make(key)
    reasons = spec.refusals(shapes)
    for sentence in reasons:
        assert sentence[0].isupper() and sentence.endswith(".") and "choose" in sentence
    if reasons:
        with pytest.raises(IncompatibleError, match="choose"):
            spec.build(shapes)
    else:
        model = spec.build(shapes)
        assert (model.features, model.context) == (shapes.x, shapes.y)
        optional = set() if shapes.y else {Capability.FORWARD}  # what predicts y, where there is one
        assert spec.capabilities - optional <= model.capabilities <= spec.capabilities
        assert model.parameter_count() > 0


def test_refusals_of_every_member():
    refusals = {
        key: [(s.x, s.y) for s in SHAPES if ARCHITECTURES.make(key).refusals(s)]
        for key in ARCHITECTURES.keys()
    }
    split = {
        "nice": [(1, 0)],
        "realnvp": [(1, 0)],
        "glow": [(1, 0)],
        "inn": [(2, 0), (1, 0)],
        "residual_inn": [(2, 0), (1, 0)],
        "conditional_inn": [(2, 0), (1, 0), (1, 3)],
        "maf_decoder": [(2, 0), (1, 0)],
        "iaf_decoder": [(2, 0), (1, 0)],
        "conditional_vae": [(2, 0), (1, 0)],
        "symbolic_regression": [(1, 0)],
        "vae": [(4, 2), (3, 1), (2, 4), (1, 3)],
    }
    assert refusals == {key: split.get(key, []) for key in ARCHITECTURES.keys()}


@members
def test_every_choice_builds_and_inverts(key):
    shapes = fitting(key, Shapes(3, 2))
    for setting in ARCHITECTURES[key].settings():
        for option in setting.options:
            torch.manual_seed(0)
            settings = only(key, {"width": 8, "transforms": 2}) | {setting.name: option}
            model = ARCHITECTURES.make(key, **settings).build(shapes).double()
            if not has(key, Capability.LATENT) or (key, option) == ("flow_matching", "euler"):
                z = torch.randn(32, model.latent_features, dtype=torch.float64)
                assert model.inverse(z, batch(shapes)[1])[0].isfinite().all(), (setting.name, option)
                continue
            there, back, width = directions(model, batch(shapes)[1])
            points = torch.randn(32, width, dtype=torch.float64)
            assert round_trip_error(there, back, points) < tolerance(key), (setting.name, option)


@members
def test_settings_change_the_network(key):
    shapes = fitting(key, Shapes(4, 2))
    default = ARCHITECTURES.make(key).build(shapes).parameter_count()
    larger_ones = only(key, {"transforms": 12, "width": 256, "depth": 5, "components": 40})
    for larger in ({name: value} for name, value in larger_ones.items()):
        assert ARCHITECTURES.make(key, **larger).build(shapes).parameter_count() > default


@members
def test_settings_are_checked(key):
    with pytest.raises(SpecError, match="Did you mean 'width'"):
        ARCHITECTURES.make(key, widht=3)
    with pytest.raises(SpecError):
        ARCHITECTURES.make(key, width=0)


@pytest.mark.parametrize("key", ["neural_spline_coupling", "neural_spline_autoregressive"])
def test_more_bins_than_a_spline_may_have_are_refused_with_the_number_that_it_may(key):
    with pytest.raises(SpecError, match="'bins' of .* cannot be 65. Expected: .* between 2 and 64"):
        ARCHITECTURES.make(key, bins=65)


def test_an_observation_wider_than_x_is_padded_without_being_asked():
    """The invertible network of [y, z] keeps a latent for every component of x then, and pads x itself."""
    for key in ("inn", "residual_inn"):
        for extra in (0, 3):
            model = ARCHITECTURES.make(key, padding=extra).build(Shapes(2, 5))
            assert (model.width, model.padding_x, model.latent_features) == (7 + extra, 5 + extra, 2)


@members
def test_building_uses_the_global_generator_only(key):
    """A caller who forks torch's generator gets the same network and leaves no trace."""
    shapes, before = fitting(key, Shapes(4, 2)), torch.get_rng_state()
    states = []
    for _ in range(2):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(7)
            states.append(ARCHITECTURES.make(key).build(shapes).state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert torch.equal(before, torch.get_rng_state())
