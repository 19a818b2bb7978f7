"""The picture of the tables."""

from xml.etree import ElementTree

from bench.plot import plot
from bench.table import Row, Turn

SVG = "{http://www.w3.org/2000/svg}"


def rows() -> list[Row]:
    made = Row("l7-hot", "µs <CPU> per request", "", "", "")
    for name, figures in {"edge": [100.0, 120.0], "haproxy": [50.0, 55.0]}.items():
        for figure in figures:
            made.add(name, Turn(figure))
    empty = Row("idle", "KiB", "", "", "", notes={"haproxy": "is not installed"})
    return [made, empty]


def test_the_picture_is_well_formed_whatever_the_words() -> None:
    """A unit may hold what XML does not like."""
    tree = ElementTree.fromstring(plot(rows()))

    assert tree.tag == f"{SVG}svg"
    words = [text.text for text in tree.iter(f"{SVG}text")]
    assert "l7-hot · µs <CPU> per request" in words
    assert "edge" in words and "haproxy" in words


def test_a_dearer_contender_has_a_longer_bar() -> None:
    """By the medians: 110 against 52.5."""
    bars = [
        float(one.attrib["width"])
        for one in ElementTree.fromstring(plot(rows())).iter(f"{SVG}rect")
        if one.attrib.get("height") == "14" and float(one.attrib["width"]) > 5
    ]

    assert len(bars) == 2
    assert abs(bars[0] / bars[1] - 110 / 52.5) < 0.01


def test_nothing_lies_outside_the_paper() -> None:
    """Also a bar whose greatest round is far out."""
    made = rows()
    made[0].add("edge", Turn(5000.0))
    tree = ElementTree.fromstring(plot(made))
    width, height = float(tree.attrib["width"]), float(tree.attrib["height"])

    for one in tree.iter(f"{SVG}rect"):
        if one.attrib["width"] != "100%":
            assert (
                float(one.attrib["x"]) >= 0 and float(one.attrib["x"]) + float(one.attrib["width"]) <= width
            )
            assert (
                float(one.attrib["y"]) >= 0 and float(one.attrib["y"]) + float(one.attrib["height"]) <= height
            )


def test_without_rows_there_is_still_a_picture() -> None:
    """A run that died at once."""
    assert plot([]).startswith("<svg")
