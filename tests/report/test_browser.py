"""The report in a real browser: what it loads, what it says on the console, how wide it gets, and every control."""

from pathlib import Path

import pytest

from visattn.report.page import write_html

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
FLAGS += ["--disable-background-networking", "--disable-component-update"]
KINDS = {
    "usual": {},
    "one seed": {"seeds": 1, "cost": False, "images": 0, "mechanisms": 2, "broken": False},
    "many": {"mechanisms": 37, "seeds": 10, "classes": 100},
}

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def chromium():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM.exists():
        pytest.skip(f"there is no browser at {CHROMIUM}")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module", params=["usual"])
def report(request, make_results, tmp_path_factory):
    file = tmp_path_factory.mktemp("report") / "report.html"
    write_html(make_results(**KINDS[request.param]), file)
    return file


@pytest.fixture
def open_report(chromium, report):
    """Return a function that opens the report; at the end, only the file was loaded and nothing was complained of."""
    contexts, requests, complaints = [], [], []

    def opened(width=1440, scheme="light", **options):
        context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(report.as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
    assert {url for url in requests if not url.startswith("data:")} == {report.as_uri()}
    assert complaints == []


@pytest.mark.parametrize("report", KINDS, indirect=True)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 768, 1440])
def test_the_page_is_never_wider_than_the_screen(open_report, width, scheme):
    page = open_report(width, scheme)
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g)[0] < 128")
    assert dark == (scheme == "dark")


@pytest.mark.parametrize("report", KINDS, indirect=True)
@pytest.mark.parametrize("width", [360, 1440])
def test_shown_labels_of_the_scatter_do_not_overlap(open_report, width):
    page = open_report(width)
    boxes = page.evaluate(
        """[...document.querySelectorAll('.scatter .label:not(.on-demand) text')]
           .filter((t) => t.getClientRects().length).map((t) => t.getBoundingClientRect().toJSON())"""
    )
    for i, a in enumerate(boxes):
        for b in boxes[:i]:
            across = min(a["right"], b["right"]) - max(a["left"], b["left"])
            down = min(a["bottom"], b["bottom"]) - max(a["top"], b["top"])
            assert across <= 1 or down <= 4
    assert all(box["right"] <= width for box in boxes)


def test_the_theme_can_be_switched_and_is_remembered(open_report):
    page = open_report(scheme="light")
    button = page.get_by_role("button", name="Dark")
    background = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(background)
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    dark = page.evaluate(background)
    assert dark != light
    page.reload()
    assert page.evaluate(background) == dark
    page.get_by_role("button", name="Dark").press("Enter")
    assert page.evaluate(background) == light


def test_every_curve_can_be_hidden_and_shown(open_report):
    page = open_report()
    boxes = page.locator(".keys input")
    assert boxes.count() >= 5
    for i in range(boxes.count()):
        box = boxes.nth(i)
        line = page.locator(f".metric-val_accuracy .lines .{box.get_attribute('id').replace('show', 'arm')}")
        before = box.is_checked()
        assert line.is_visible() == before
        box.press("Space")
        assert line.is_visible() != before
    page.get_by_role("button", name="None").click()
    assert page.locator(".keys input:checked").count() == 0
    page.get_by_role("button", name="All").click()
    assert page.locator(".keys input:checked").count() == boxes.count()


def test_every_metric_can_be_chosen(open_report):
    page = open_report()
    for choice in page.locator(".choice input").all():
        choice.check()
        [shown] = [f for f in page.locator("figure.curve").all() if f.is_visible()]
        assert f"metric-{choice.get_attribute('value')}" in shown.get_attribute("class")


def test_every_column_sorts_both_ways_with_the_missing_last(open_report):
    page = open_report()
    headers = page.locator("#cost th button")
    for i in range(headers.count()):
        for direction in ("ascending", "descending"):
            headers.nth(i).click()
            assert page.locator("#cost th").nth(i).get_attribute("aria-sort") == direction
            values = page.evaluate(
                f"[...document.querySelector('#cost tbody').rows].map((r) => r.cells[{i}].dataset.value)"
            )
            filled = [v for v in values if v]
            assert values == filled + [""] * (len(values) - len(filled))
            if i:
                assert [float(v) for v in filled] == sorted(map(float, filled), reverse=direction == "descending")


def test_the_heat_map_fades(open_report):
    page = open_report()
    slider = page.locator("#heat")
    slider.fill("0")
    assert page.locator(".heat").first.evaluate("(e) => getComputedStyle(e).opacity") == "0"
    slider.press("End")
    assert page.locator(".heat").first.evaluate("(e) => getComputedStyle(e).opacity") == "1"


def test_details_and_points_open_by_keyboard(open_report):
    page = open_report()
    for summary in page.locator("summary").all():
        summary.press("Enter")
        assert summary.evaluate("(s) => s.parentElement.open")
    for point in page.locator(".scatter .point").all():
        point.focus()
        label = point.locator(".label.wide")
        assert label.evaluate("(e) => getComputedStyle(e).opacity") == "1"


@pytest.mark.parametrize("report", KINDS, indirect=True)
def test_it_can_be_read_without_scripts(open_report):
    page = open_report(java_script_enabled=False)
    assert page.locator("h1").is_visible()
    assert page.locator(".row .name").first.is_visible()
    assert not page.locator("#theme").is_visible()
    box = page.locator(".keys input").first
    box.uncheck()
    assert not page.locator(".metric-val_accuracy .lines .arm-0").is_visible()


def test_text_has_enough_contrast(open_report):
    """WCAG AA: 4.5 to 1 for every colour of text on the page's background."""
    script = """() => {
      const paint = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
      const light = (colour) => {
        paint.fillStyle = colour; paint.fillRect(0, 0, 1, 1);
        const [r, g, b] = [...paint.getImageData(0, 0, 1, 1).data].map((v) => v / 255)
          .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const page = light(getComputedStyle(document.body).backgroundColor);
      const worst = {};
      for (const e of document.querySelectorAll('main *, header *')) {
        if (!e.getClientRects().length) continue;
        if (![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())) continue;
        const style = getComputedStyle(e);
        const colour = e.namespaceURI.endsWith('svg') ? style.fill : style.color;
        if (e.id === 'theme') continue;
        const own = light(colour);
        worst[colour] = (Math.max(own, page) + 0.05) / (Math.min(own, page) + 0.05);
      }
      return worst;
    }"""
    for scheme in ("light", "dark"):
        ratios = open_report(scheme=scheme).evaluate(script)
        assert len(ratios) >= 3
        assert min(ratios.values()) >= 4.5, ratios
