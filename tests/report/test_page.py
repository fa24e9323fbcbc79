import base64
import copy
import hashlib
import html
import json
import re
from html.parser import HTMLParser

import pytest

from visattn.core.errors import RunError
from visattn.report import page
from visattn.report.page import render_html, write_html

KINDS = {
    "usual": {},
    "one seed, no cost, no pictures": {"seeds": 1, "cost": False, "images": 0},
    "two arms": {"mechanisms": 1, "seeds": 2},
    "many": {"mechanisms": 37, "seeds": 30, "epochs": 60, "images": 2},
    "one epoch": {"epochs": 1},
    "hundred classes": {"classes": 100},
}


class Page(HTMLParser):
    """Collects attributes, identifiers and visible text, and checks that elements are closed in order."""

    VOID = frozenset({"meta", "link", "img", "input", "br", "wbr"})

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.loads, self.events, self.styles = [], [], [], [], 0
        self.words = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.attributes(attributes)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.attributes(attributes)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)

    def attributes(self, attributes):
        for name, value in attributes:
            if name == "id":
                self.ids.append(value)
            if name in ("src", "href", "srcset", "data", "action", "poster", "xlink:href"):
                self.loads.append(value)
            self.events += [name] * name.startswith("on")
            self.styles += name == "style"

    @property
    def text(self):
        return "".join(self.words)


@pytest.fixture(scope="module", params=KINDS.values(), ids=KINDS)
def results(request, make_results):
    return make_results(**request.param)


@pytest.fixture(scope="module")
def text(results):
    return render_html(results)


def test_every_arm_reason_and_sentence_is_there(results, text):
    words = Page(text).text
    for arm in results["arms"]:
        assert words.count(arm["id"]) >= 2
        assert arm["reason"] is None or arm["reason"] in words
        assert arm["kind"] == "baseline" or arm["verdict"]["text"] in words
    assert results["summary"]["headline"] in words
    assert results["plan"]["command"] in words


def test_nothing_is_loaded(text):
    found = Page(text)
    assert all(load.startswith(("#", "data:")) for load in found.loads)
    assert "@import" not in text
    assert re.findall(r"url\((?!data:image/png;base64,)", text) == []
    assert "http://" not in text
    assert "https://" not in text


def test_the_policy_holds_the_page(text):
    found = Page(text)
    assert (found.events, found.styles) == ([], 0)
    policy = html.unescape(re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1])
    assert policy.startswith("default-src 'none'; img-src data:; ")
    for tag in ("style", "script"):
        [inner] = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inner.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_identifiers_are_unique_and_references_lead_somewhere(text):
    found = Page(text)
    assert len(found.ids) == len(set(found.ids))
    assert {load[1:] for load in found.loads if load.startswith("#")} <= set(found.ids)


def test_hostile_names_are_text(make_results):
    results = copy.deepcopy(make_results(mechanisms=4, classes=10))
    evil = "</style></script><script>alert('x')</script><img src=x onerror=alert(1)>\"'&"
    arm = next(a for a in results["arms"] if a["id"] == "se")
    arm.update(id=evil, reason=evil)
    arm["verdict"]["text"] = evil
    arm["explanations"][0]["predicted"] = evil
    arm["cost"]["uncounted"] = {evil: 1}
    arm["insertion"]["sites"][0]["path"] = evil
    results["pareto"] = [evil]
    results["images"][0]["label"] = evil
    results["data"].update(name=evil, skipped=[{"path": evil, "reason": evil}])
    results["plan"].update({evil: {evil: [evil]}, "command": evil, "model": evil})
    results["summary"].update(headline=evil, detail=evil)
    results["machine"][evil] = evil
    text = render_html(results)
    found = Page(text)
    assert found.events == []
    assert len(re.findall(r"<script", text)) == 1
    assert "<img src=x" not in text
    assert found.text.count(evil) > 10


def test_twelve_arms_with_six_pictures_stay_small(make_results):
    results = make_results(mechanisms=9, images=6, side=96, epochs=50)
    assert len(results["arms"]) == 12
    assert len(render_html(results).encode()) < 1_000_000


def test_the_largest_page_stays_below_two_megabytes(make_results):
    assert len(render_html(make_results(mechanisms=37, seeds=30, epochs=200)).encode()) < 2_000_000


def test_pictures_are_stored_once(make_results):
    results = make_results()
    text = render_html(results)
    for image in results["images"]:
        assert text.count(image["png"]) == 1


def test_what_was_not_measured_is_said(make_results):
    words = Page(render_html(make_results(mechanisms=5, cost=False))).text
    assert "No cost was measured." in words
    assert "Is it worth the time?" not in words


def test_arms_that_cannot_be_drawn_are_named(make_results):
    words = Page(render_html(make_results())).text
    [line] = re.findall(r"Not drawn: .*", words)
    assert "bam (diverged), triplet (failed), gc(pooling='att') (refused)" in line


def test_eight_curves_are_shown_at_first_and_the_baseline_is_among_them(make_results):
    text = render_html(make_results(mechanisms=37, images=0))
    checked = re.findall(r'id="show-(\d+)" checked', text)
    assert len(checked) == 8
    assert "0" in checked


def test_the_file_is_the_page_and_replaces_an_older_one(tmp_path, make_results):
    target = tmp_path / "new" / "report.html"
    write_html(make_results(mechanisms=1), target)
    results = make_results(mechanisms=2)
    write_html(results, str(target))
    assert target.read_text(encoding="utf-8") == render_html(results)
    assert [file.name for file in target.parent.iterdir()] == ["report.html"]


def test_a_failed_write_leaves_the_old_file(tmp_path, make_results, monkeypatch):
    target = tmp_path / "report.html"
    target.write_text("old")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(page.Path, "replace", fail)
    with pytest.raises(RunError, match=r"cannot be written to .*report.html: disk full: choose another place"):
        write_html(make_results(mechanisms=1), target)
    assert target.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


def test_a_place_below_a_file_is_refused(tmp_path, make_results):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="the report cannot be written to"):
        write_html(make_results(mechanisms=1), tmp_path / "file" / "report.html")


def test_invalid_results_are_refused(tmp_path, make_results):
    results = json.loads(json.dumps(make_results(mechanisms=1)))
    del results["arms"][3]["verdict"]
    with pytest.raises(RunError, match=r"\$\.arms\[3\]: 'verdict' is a required"):
        write_html(results, tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []
