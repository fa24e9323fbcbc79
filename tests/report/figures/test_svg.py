from visattn.report.figures.svg import at, draw, root, written


def test_text_and_attributes_are_escaped():
    svg = root(class_='"><script>')
    draw(svg, "text", "</svg><script>", y=1)
    text = written(svg)
    assert "<script" not in text
    assert text.count("&lt;script&gt;") == 2


def test_whole_numbers_have_no_point_and_others_two_digits():
    assert written(root(x=3, y=3.0, r=2.71828)) == '<svg x="3" y="3" r="2.72" />'


def test_nested_drawings_have_places_in_percent():
    svg = root()
    at(svg, 12.345, 100)
    assert written(svg) == '<svg><svg x="12.35%" y="100%" overflow="visible" /></svg>'
