import pytest

from deployguard.telemetry.endpoints import LONGEST, OTHER, Endpoints, matches

LISTED = Endpoints(("/lofts/:id", "/checkout/*", "/checkout/pay", "/lofts/new"))


@pytest.mark.parametrize(
    ("address", "endpoint"),
    [
        ("/", "/"),
        ("/about", "/about"),
        ("/about?q=1", "/about"),
        ("/about#top", "/about"),
        ("/about?next=/a#b", "/about"),
        ("/lofts/42", "/lofts/:id"),
        ("/lofts/42?photo=3", "/lofts/:id"),
        ("/lofts/42/photos", "/lofts/42/photos"),
        ("/lofts/", "/lofts/"),
        ("/lofts/new", "/lofts/new"),
        ("/checkout", "/checkout"),
        ("/checkout/", "/checkout/*"),
        ("/checkout/card/3", "/checkout/*"),
        ("/checkout/pay", "/checkout/pay"),
        ("http://www.example.com/lofts/42", "/lofts/:id"),
        ("https://www.example.com", "/"),
        ("https://www.example.com?x=/about", "/"),
        ("*", OTHER),
        ("", OTHER),
        (None, OTHER),
        ("about", OTHER),
        ("/a\x00b", OTHER),
        ("/" + "a" * LONGEST, OTHER),
        ("/" + "a" * (LONGEST - 1), "/" + "a" * (LONGEST - 1)),
    ],
)
def test_a_path_counts_for_the_endpoint_that_the_config_means(address: str | None, endpoint: str) -> None:
    assert LISTED.of[address] == endpoint


def test_a_narrow_pattern_counts_before_one_that_takes_everything_below() -> None:
    endpoints = Endpoints(("/shop/*", "/shop/:id"))
    assert endpoints.of["/shop/3"] == "/shop/:id"
    assert endpoints.of["/shop/3/buy"] == "/shop/*"


@pytest.mark.parametrize(
    ("wanted", "stored", "fits"),
    [
        ("/checkout/*", "/checkout/*", True),
        ("/checkout/*", "/checkout/pay", True),
        ("/checkout/*", "/checkout", False),
        ("/checkout/*", "/checkouts/pay", False),
        ("/lofts/:id", "/lofts/42", True),
        ("/lofts/*", "/lofts/:id", True),
        ("/lofts/:id", "/lofts/*", False),
        ("/lofts/:id/*", "/lofts/42/photos", True),
        ("/a.b", "/axb", False),
        ("/*", OTHER, False),
    ],
)
def test_a_rules_endpoint_means_what_its_pattern_covers(wanted: str, stored: str, fits: bool) -> None:
    assert matches(wanted, stored) is fits
