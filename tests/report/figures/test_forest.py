from xml.etree.ElementTree import fromstring

import pytest

from visattn.report.figures.forest import forest_axis, forest_scale, forest_strip

EFFECT = {
    "mean": 0.5,
    "per_seed": [0.2, 0.8],
    "interval": [-1.0, 2.0],
    "seed_interval": [-0.5, 1.5],
    "image_interval": [0.0, 1.0],
}


def part(svg, name):
    return [node for node in svg.iter() if node.get("class") == name]


def place(node, name):
    return float(node.get(name).removesuffix("%"))


def test_intervals_mean_and_seeds_lie_where_the_scale_puts_them():
    scale = forest_scale([{"effect": EFFECT, "status": "ok"}], 1.0)
    svg = fromstring(forest_strip(EFFECT, scale, 1.0))
    for name, key in (("both", "interval"), ("by-seed", "seed_interval"), ("by-image", "image_interval")):
        [line] = part(svg, name)
        assert place(line, "x1") == pytest.approx(scale.place(EFFECT[key][0]), abs=0.01)
        assert place(line, "x2") == pytest.approx(scale.place(EFFECT[key][1]), abs=0.01)
    [mean] = part(svg, "mean-dot")
    assert place(mean, "cx") == pytest.approx(scale.place(0.5), abs=0.01)
    assert len(part(svg, "seed-dot")) == 2


def test_the_band_is_plus_and_minus_the_mde_around_zero():
    scale = forest_scale([{"effect": EFFECT, "status": "ok"}], 1.0)
    svg = fromstring(forest_strip(None, scale, 1.0))
    [band], [zero] = part(svg, "band"), part(svg, "zero")
    assert place(zero, "x1") == pytest.approx(scale.place(0.0), abs=0.01)
    assert place(band, "x") + place(band, "width") / 2 == pytest.approx(place(zero, "x1"), abs=0.02)
    assert place(band, "width") == pytest.approx(scale.place(1.0) - scale.place(-1.0), abs=0.02)


def test_without_an_mde_there_is_no_band():
    scale = forest_scale([{"effect": None, "status": "refused"}], None)
    assert part(fromstring(forest_strip(None, scale, None)), "band") == []


def test_missing_intervals_are_not_drawn():
    bare = EFFECT | dict.fromkeys(["interval", "seed_interval"])
    svg = fromstring(forest_strip(bare, forest_scale([{"effect": bare, "status": "ok"}], None), None))
    assert [len(part(svg, name)) for name in ("both", "by-seed", "by-image")] == [0, 0, 1]


def test_what_is_far_out_becomes_an_arrow_at_the_edge():
    far = EFFECT | {"mean": -80.0, "per_seed": [-80.0], "interval": [-85.0, -75.0], "seed_interval": None}
    scale = forest_scale([{"effect": EFFECT, "status": "ok"}] * 5 + [{"effect": far, "status": "ok"}], 1.0)
    assert scale.low > -20
    svg = fromstring(forest_strip(far, scale, 1.0))
    [arrow] = part(svg, "mean-dot")
    assert arrow.tag == "path"
    assert len(part(svg, "both tip")) == 2


def test_an_unfinished_arm_does_not_set_the_scale():
    wide = EFFECT | {"interval": [-9.0, 9.0]}
    arms = [{"effect": EFFECT, "status": "ok"}, {"effect": wide, "status": "diverged"}]
    assert forest_scale(arms, 1.0) == forest_scale(arms[:1], 1.0)


@pytest.mark.parametrize("mde", [None, 0.4, 5.0])
def test_the_axis_has_a_zero(mde):
    words = [node.text for node in fromstring(forest_axis(forest_scale([{"effect": EFFECT, "status": "ok"}], mde)))]
    assert any(float(word.replace("−", "-")) == 0 for word in words)
    assert len(words) >= 3
