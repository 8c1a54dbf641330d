"""Specs, catalogues, variables and errors: the words that everything is said in."""

import pickle

import param
import pytest

from workbench.core.catalogue import Catalogue
from workbench.core.errors import SpecError, WorkbenchError, did_you_mean
from workbench.core.spec import Spec, parse_setting
from workbench.core.variable import Variable


class Kettle(Spec):
    key, title, summary = "kettle", "Kettle", "Boils water."
    live = frozenset({"power"})
    litres = param.Integer(2, bounds=(1, 5), doc="How much\n water.")
    power = param.Number(1.5, bounds=(0, 3))
    whistle = param.Boolean(True)
    colour = param.Selector(default="red", objects=["red", "blue"])
    tags = param.List(default=[], item_type=str)


def test_settings_describe_a_form():
    by_name = {s.name: s for s in Kettle.settings()}
    assert [by_name[n].kind for n in ("litres", "power", "whistle", "colour", "tags")] == [
        "integer",
        "number",
        "boolean",
        "choice",
        "list",
    ]
    assert by_name["litres"].bounds == (1, 5) and by_name["litres"].doc == "How much water."
    assert by_name["colour"].options == ("red", "blue")
    assert by_name["power"].live and not by_name["litres"].live


def test_values_go_round_and_changed_is_the_difference():
    kettle = Kettle(litres=3, tags=["old"])
    assert Kettle.from_values(kettle.values()) == kettle
    assert kettle.changed() == {"litres": 3, "tags": ["old"]}
    assert kettle.copy() == kettle and kettle.copy() is not kettle
    assert Kettle() != kettle


@pytest.mark.parametrize(
    "values, words",
    [
        ({"liters": 2}, "did you mean 'litres'?"),
        ({"litres": 9}, "'litres' of 'kettle' cannot be 9. Expected: a whole number between 1 and 5"),
        ({"colour": "green"}, "cannot be 'green'. Expected: one of red, blue"),
        ({"litres": "two"}, "litres"),
        ({"power": 4.0}, "cannot be 4.0. Expected: a number between 0 and 3"),
        ({"whistle": "loud"}, "cannot be 'loud'. Expected: true or false"),
        ({"tags": [1]}, "out of range"),
    ],
)
def test_a_wrong_setting_is_refused_with_what_to_try(values, words):
    with pytest.raises(SpecError) as refusal:
        Kettle.from_values(values)
    assert words.lower() in str(refusal.value).lower()


def test_set_refuses_and_changes_nothing():
    kettle = Kettle()
    with pytest.raises(SpecError):
        kettle.set("litres", 77)
    with pytest.raises(SpecError, match="litres"):
        kettle.set("litre", 3)
    assert kettle == Kettle()


@pytest.mark.parametrize(
    "name, text, value",
    [
        ("litres", "4", 4),
        ("power", "2e-1", 0.2),
        ("whistle", "no", False),
        ("colour", "blue", "blue"),
        ("tags", "a, b", ["a", "b"]),
    ],
)
def test_text_is_read_as_the_settings_own_type(name, text, value):
    assert parse_setting(Kettle, name, text) == value


@pytest.mark.parametrize("name, text", [("litres", "4.5"), ("whistle", "perhaps"), ("lites", "1")])
def test_text_of_the_wrong_type_is_refused(name, text):
    with pytest.raises(SpecError):
        parse_setting(Kettle, name, text)


def test_catalogue_finds_refuses_and_suggests():
    catalogue = Catalogue("kettles", "kettle")
    catalogue.register(Kettle)
    assert catalogue["kettle"] is Kettle and "kettle" in catalogue and len(catalogue) == 1
    assert catalogue.make("kettle", litres=4).litres == 4
    assert catalogue.cards()[0]["settings"]["litres"]["bounds"] == [1, 5]
    with pytest.raises(SpecError, match="(?i)did you mean 'kettle'"):
        catalogue["ketle"]

    class Impostor(Kettle):
        pass

    with pytest.raises(SpecError, match="taken twice"):
        catalogue.register(Impostor)
    with pytest.raises(SpecError, match="title"):
        catalogue.register(type("Nameless", (Spec,), {"key": "nameless"}))


def test_variable_checks_itself_and_goes_round():
    speed = Variable("speed", "v", "m/s", low=0.0, description="How fast.")
    assert speed.label == "v [m/s]" and Variable.from_dict(speed.to_dict()) == speed
    with pytest.raises(SpecError, match="low < high"):
        Variable("speed", low=2, high=1)
    with pytest.raises(SpecError):
        Variable(" ")
    with pytest.raises(SpecError, match="colour"):
        Variable.from_dict({"name": "a", "colour": 1})


def test_an_error_says_four_things_and_survives_a_process_boundary():
    error = SpecError("No such tea", expected="green or black", found="blue", suggestion="try green")
    assert str(error) == "No such tea. Expected: green or black. Found: blue. Try green."
    back = pickle.loads(pickle.dumps(error))  # our own object, as a worker's pipe carries it
    assert type(back) is SpecError and str(back) == str(error) and isinstance(back, WorkbenchError)
    assert (
        did_you_mean("realnpv", ["realnvp", "maf"]) == "did you mean 'realnvp'?"
        and did_you_mean("zzz", ["maf"]) == ""
    )
