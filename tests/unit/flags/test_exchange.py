import json

import pytest

from deployguard.config.build import targeting_from_json
from deployguard.config.values import Flag, Targeting
from deployguard.errors import Code, DeployguardError, Place
from deployguard.flags.exchange import Wish, export_flags, import_flags
from deployguard.state import FlagState, State

DZ = {"allow": {"users": ["u-1"]}, "countries": ["DZ"], "rules": ["plan == 'pro'"]}
DEFS = {"shop": Flag(key="shop", targeting=targeting_from_json(DZ)), "pay": Flag(key="pay", requires=("shop",))}
PROD = State(environment="prod", flags={"shop": FlagState(enabled=True, percentage=1_234, seed="lead")})
EMPTY = State(environment="staging")


def document(flags, **top):
    return {"format": "deployguard.flags", "schemaVersion": 1, "environment": "prod", "flags": flags} | top


def wishes(entry, state=EMPTY):
    return import_flags(document({"shop": entry}), DEFS, state)


def problems(data):
    with pytest.raises(DeployguardError) as caught:
        import_flags(data, DEFS, EMPTY, source="flags.json")
    assert caught.value.problem.errors
    return caught.value.problem.errors


def test_an_export_is_plain_json_that_says_everything():
    out = export_flags(DEFS, PROD)
    assert json.loads(json.dumps(out)) == out
    assert out == document(
        {
            "shop": {"enabled": True, "percentage": 12.34, "seed": "lead", "targeting": DZ},
            "pay": {"enabled": False, "percentage": 0, "seed": "pay", "targeting": {}},
        }
    )


def test_what_stands_already_moves_nothing():
    assert import_flags(export_flags(DEFS, PROD), DEFS, PROD) == ()


def test_every_hundredth_survives_the_way_there_and_back():
    """Those that a careless `int(number * 100)` loses, and the whole ones."""
    for hundredths in (h for h in range(10_001) if int(h / 100 * 100) != h or h % 100 == 0):
        state = State(environment="prod", flags={"shop": FlagState(enabled=True, percentage=hundredths, seed="shop")})
        moved = import_flags(json.loads(json.dumps(export_flags(DEFS, state))), DEFS, EMPTY)
        assert [wish.percentage for wish in moved if wish.move == "set"] == ([hundredths] if hundredths else [])


@pytest.mark.parametrize(
    ("entry", "current", "moves"),
    [
        ({"enabled": True, "percentage": 30}, FlagState(), [Wish(flag_id="shop", move="set", percentage=3_000)]),
        ({"enabled": True, "percentage": 0}, FlagState(), [Wish(flag_id="shop", move="enable")]),
        (
            {"enabled": False, "percentage": 30},
            FlagState(),
            [Wish(flag_id="shop", move="set", percentage=3_000), Wish(flag_id="shop", move="disable")],
        ),
        (
            {"enabled": False, "percentage": 0},
            FlagState(enabled=True, percentage=5),
            [Wish(flag_id="shop", move="set", percentage=0)],
        ),
        (
            {"enabled": True, "percentage": 0},
            FlagState(enabled=True, percentage=5),
            [Wish(flag_id="shop", move="set", percentage=0), Wish(flag_id="shop", move="enable")],
        ),
        (
            {"enabled": False, "percentage": 30},
            FlagState(enabled=True, percentage=3_000),
            [Wish(flag_id="shop", move="disable")],
        ),
        (
            {"enabled": True, "percentage": 30, "seed": "lead"},
            FlagState(),
            [Wish(flag_id="shop", move="set", percentage=3_000, seed="lead")],
        ),
        (
            {"enabled": True, "percentage": 30, "seed": "lead"},
            FlagState(enabled=True, percentage=5, seed="lead"),
            [Wish(flag_id="shop", move="set", percentage=3_000)],
        ),
        ({"enabled": False, "percentage": 0, "targeting": DZ}, FlagState(), []),
        (
            {"enabled": False, "percentage": 0, "targeting": {}},
            FlagState(),
            [Wish(flag_id="shop", move="target", targeting={})],
        ),
        (
            {"enabled": True, "percentage": 30, "targeting": {"countries": ["FR"]}},
            FlagState(),
            [
                Wish(flag_id="shop", move="target", targeting={"countries": ["FR"]}),
                Wish(flag_id="shop", move="set", percentage=3_000),
            ],
        ),
    ],
)
def test_an_import_asks_for_the_moves_that_are_missing(entry, current, moves):
    assert list(wishes(entry, State(environment="staging", flags={"shop": current}))) == moves


def test_a_flag_that_is_not_named_stays():
    assert import_flags(document({}), DEFS, PROD) == ()


@pytest.mark.parametrize(
    "percentage", [float("nan"), float("inf"), -1, 101, 100.001, 12.345, "5O", "30", True, None, [30]]
)
def test_a_percentage_is_a_number_from_0_to_100(percentage):
    (problem,) = problems(document({"shop": {"enabled": True, "percentage": percentage}}))
    assert problem.code is Code.OUT_OF_RANGE
    assert problem.where == Place("flags.json", path="flags.shop.percentage")


@pytest.mark.parametrize(
    ("data", "path"),
    [
        (None, None),
        ([], None),
        ("text", None),
        (document({}, format="flagd"), "format"),
        (document({}, schemaVersion=2), "schemaVersion"),
        (document({}, schemaVersion=True), "schemaVersion"),
        (document([]), "flags"),
        (document({}, extra=1), "extra"),
        (document({"shop": []}), "flags.shop"),
        (document({"shop": {"enabled": "yes", "percentage": 1}}), "flags.shop.enabled"),
        (document({"shop": {"enabled": True, "percentage": 1, "seed": ""}}), "flags.shop.seed"),
        (document({"shop": {"enabled": True, "percentage": 1, "targeting": []}}), "flags.shop.targeting"),
        (document({"shop": {"enabled": True, "percentage": 1, "percentag": 2}}), "flags.shop.percentag"),
        (document({"shp": {"enabled": True, "percentage": 1}}), "flags.shp"),
    ],
)
def test_each_wrong_thing_is_named_by_its_path(data, path):
    (problem,) = problems(data)
    assert problem.where == Place("flags.json", path=path)
    assert problem.wanted


def test_all_problems_come_at_once_and_nothing_moves():
    found = problems(
        document(
            {
                "shp": {"enabled": True, "percentage": 1},
                "shop": {
                    "enabled": 1,
                    "percentage": 101,
                    "targeting": {"countrys": ["DZ"], "rules": ["plan is 'pro'"]},
                },
                "pay": {"enabled": True, "percentage": 5},
            }
        )
    )
    places = [problem.where.path for problem in found]
    assert places[:3] == ["flags.shp", "flags.shop.enabled", "flags.shop.percentage"]
    assert len(places) == 5
    assert all(place.startswith("flags.shop.targeting.") for place in places[3:])
    assert "nearest: shop" in found[0].wanted


def test_targeting_is_compared_by_what_it_means():
    spelt = {"countries": ["DZ"], "rules": ["plan == 'pro'"], "allow": {"users": ["u-1"]}, "deny": {}}
    assert targeting_from_json(DZ) != Targeting()
    assert wishes({"enabled": False, "percentage": 0, "targeting": spelt}) == ()
