from xml.etree import ElementTree as ET

import pytest

from slipway_host.charts import draw, layered, ticks, values

SPEC = layered(
    {"mark": "bar", "encoding": {"x": {"field": "n", "type": "quantitative"}, "y": {"field": "name"}}},
    {"mark": "text", "encoding": {"y": {"field": "name"}, "text": {"field": "name"}}},
    data=values([{"n": 3, "name": "</text><script>x</script>"}, {"n": 5, "name": "b & c"}]),
    width=200,
)


def test_drawing_is_one_well_formed_element_with_a_name_and_the_page_s_colours() -> None:
    svg = draw(SPEC, label='Bars: "3" & 5.', kind="wide")
    root = ET.fromstring(svg)  # noqa: S314 - our own drawing
    assert root.tag == "svg"
    assert root.attrib["class"] == "chart wide"
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"] == 'Bars: "3" & 5.'
    assert {element.tag for element in root.iter()} <= {
        "svg",
        "g",
        "path",
        "line",
        "rect",
        "text",
        "defs",
        "clipPath",
    }
    # A style attribute would be refused by the page's policy, and a white ground would be light in the dark.
    assert not any("style" in element.attrib for element in root.iter())
    assert not any(
        element.attrib.keys() & {"role", "aria-label"} for element in root.iter() if element is not root
    )
    assert 'fill="white"' not in svg
    assert "var(--" in svg


def test_same_figures_are_the_same_drawing() -> None:
    assert draw(SPEC, label="x") == draw(SPEC, label="x")


@pytest.mark.parametrize(
    ("most", "count", "marks"),
    [
        (0.4, 4, [0.0, 0.1, 0.2, 0.3, 0.4]),
        (86, 7, [0, 15, 30, 45, 60, 75]),
        (86, 3, [0, 30, 60]),
        (400, 3, [0, 300]),
        (0, 3, [0]),
    ],
)
def test_marks_of_time_are_those_that_people_count_in(most: float, count: int, marks: list[float]) -> None:
    assert ticks(most, count=count) == marks
