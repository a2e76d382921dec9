"""Invented names of customers, so that an alert can say who left."""

from __future__ import annotations

import unicodedata

import numpy as np


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_FIRST = _words(
    "Alder Amber Ashgrove Birchwell Bluefen Bramble Brightmoor Calder Cedarway "
    "Clearbrook Copperhill Corven Dunmere Eastvale Elmstead Fairlock Fennick "
    "Foxhollow Glenmarsh Goldcrest Greyfield Halden Harrowby Hazelton Ironbrook "
    "Juniper Kestrel Kingsmere Larkspur Linden Longford Maplecroft Marlow Millstone "
    "Northgate Oakhurst Oldfield Orchard Pinewell Quarry Ravensby Redcliff Ridgeway "
    "Rowan Saltmarsh Silverlake Sparrow Stonebridge Summerfield Tallow Thornbury "
    "Umber Valemont Westerly Whitmore Willowby Winterbourne Wrenfield Yarrow Zephyr"
)
_GERMAN = _words(
    "Ahornweg Birkenau Brunnfeld Eichenhof Falkenried Grünau Hagenbach Kieselbach "
    "Lindenau Morgenroth Nordwall Rosenfeld Steinbrück Talmühle Weidenfeld "
    "Wiesengrund Altenburg Buchholz Dornbach Erlenkamp Feldkirch Goldammer Haselhorst "
    "Hochstein Immenhof Kaltenbach Kranich Lerchenfeld Neuland Oberhof Rabenstein "
    "Schönfeld Seehof Sonnenberg Tannenhof Ulmenhof Waldkirch Winterfeld Zedernhof"
)
_TRADE = {
    "DE": _words(
        "Logistik Werkzeuge Bau Druck Medien Handel Planung Technik Möbel Reisen Maschinen "
        "Beratung Gesundheit Energie Immobilien Textil"
    ),
    "FR": ("Conseil", "Atelier", "Transports", "Habitat", "Services", "Études"),
    "ES": ("Servicios", "Estudio", "Obras", "Diseño"),
    "BR": ("Comércio", "Serviços", "Estúdio", "Engenharia"),
    "": _words(
        "Logistics Dental Studio Bakery Interiors Print Travel Farms Legal Fitness "
        "Roofing Catering Foods Energy Clinics Motors Media Labs Supply Outdoors"
    ),
}
_FORM = {
    "US": ("Inc", "LLC", "Co", "Group"),
    "CA": ("Inc", "Ltd", "Group"),
    "GB": ("Ltd", "& Sons", "Partners"),
    "DE": ("GmbH", "GmbH", "KG", "AG"),
    "FR": ("SAS", "SARL"),
    "NL": ("BV",),
    "ES": ("SL", "SA"),
    "JP": ("KK",),
    "AU": ("Pty Ltd",),
    "IN": ("Pvt Ltd",),
    "BR": ("Ltda", "SA"),
}
_GIVEN = _words(
    "Ada Amara Ben Carla Dana Elif Emil Farah Greta Hana Ines Ivo Jonas Kavi Lena "
    "Liam Maya Mina Nils Noor Omar Petra Rafa Rosa Sami Tess Tomas Vera Yara Zoe"
)


def companies(rng: np.random.Generator, countries: list[str]) -> list[str]:
    """One company name for each country code given."""
    draws = rng.random((len(countries), 3)).tolist()
    return [_company(country, *draw) for country, draw in zip(countries, draws, strict=True)]


def persons(rng: np.random.Generator, count: int) -> list[str]:
    """Names of persons, as a bill shows them: a given name and an initial."""
    given = rng.integers(0, len(_GIVEN), count).tolist()
    initial = rng.integers(0, 26, count).tolist()
    return [f"{_GIVEN[g]} {chr(65 + i)}." for g, i in zip(given, initial, strict=True)]


def email(name: str, country: str, person: bool, number: int) -> str:
    """An address that fits a name; `number` tells persons of one name apart."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    words = ["".join(c for c in word if c.isalnum()) for word in plain.split()]
    if person:
        return f"{words[0]}.{words[1]}{number}@mail.example"
    desk = _DESKS[number % len(_DESKS)]
    return f"{desk}@{words[0]}-{words[1]}.{country.lower()}.example"


_DESKS = ("billing", "accounts", "office", "finance", "hello", "admin")


def _company(country: str, a: float, b: float, c: float) -> str:
    first = _GERMAN if country == "DE" else _FIRST
    trade = _TRADE.get(country, _TRADE[""])
    form = _FORM.get(country, ("Ltd",))
    return f"{_pick(first, a)} {_pick(trade, b)} {_pick(form, c)}"


def _pick(words: tuple[str, ...], draw: float) -> str:
    return words[int(draw * len(words))]
