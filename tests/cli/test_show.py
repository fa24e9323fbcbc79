import pytest

from visattn.catalogue import list_mechanisms


def flat(text):
    return " ".join(text.split())


@pytest.mark.parametrize("name", list_mechanisms())
def test_every_mechanism_is_shown_with_paper_maths_cost_and_differences(cli, cli_json, name):
    code, out, _ = cli("show", name)
    assert code == 0
    facts = cli_json("show", name)
    text = flat(out.replace("│", " "))
    assert all(flat(line) in text for line in facts["maths"])
    assert f"{facts['cost']['params']:,}" in text
    assert facts["differs"]
    assert all(flat(difference) in text for difference in facts["differs"])
    assert "differs" in text
    assert facts["paper"].split(",")[0] in text


def test_cost_at_a_given_size(cli_json):
    small = cli_json("show", "cbam", "--channels", "64", "--size", "8")["cost"]
    large = cli_json("show", "cbam", "--channels", "256", "--size", "56")["cost"]
    assert large["params"] == 8564
    assert small["macs"] < large["macs"]


def test_an_attention_over_a_set_shows_queries_members_and_the_cost_of_one_query(cli, cli_json):
    _, out, _ = cli("show", "additive_attention")
    assert "(B, L, Q), (B, N, M) → (B, L, M), (B, L, N)" in flat(out.replace("│", " "))
    _, out, _ = cli("show", "multi_head_attention")
    assert "(B, L, Q), (B, N, M) → (B, L, Q), (B, L, N)" in flat(out.replace("│", " "))
    cost = cli_json("show", "multi_head_attention", "--channels", "8", "--size", "3")["cost"]
    assert cost["macs"] == 2 * 8 * 8 + 2 * 9 * 8 * 8 + 2 * 9 * 8


def test_a_gaze_shows_what_comes_first(cli):
    _, out, _ = cli("show", "ram")
    assert "(B, C, H, W) → what was seen first, then where" in flat(out.replace("│", " "))


def test_a_head_shows_all_its_inputs_and_outputs(cli):
    _, out, _ = cli("show", "ocr")
    assert "(B, C_in, H, W), (B, C_low, H, W) → (B, C_out, H, W), (B, C_out, H, W)" in flat(out.replace("│", " "))
    _, out, _ = cli("show", "apnb")
    assert "(B, C_in, H, W) → (B, C_out, H, W)" in flat(out.replace("│", " "))
