from dataclasses import FrozenInstanceError

import pytest
from torch import nn

from visattn.core.spec import Cost, Official, Paper, Role, Spec

PAPER = Paper(title="A Title", authors="Doe, Roe", venue="CVPR", year=2018)


def test_paper_reads_like_a_reference() -> None:
    assert str(PAPER) == "Doe, Roe: A Title. CVPR 2018"
    with_arxiv = Paper(title="A Title", authors="Doe", venue="ICCV", year=2019, arxiv="1709.01507")
    assert str(with_arxiv) == "Doe: A Title. ICCV 2019, arXiv:1709.01507"


def test_role_is_its_own_name() -> None:
    assert [str(r) for r in Role] == ["gate", "conv", "head", "sequence", "gaze"]


def test_official_keys_default_to_the_same_names() -> None:
    entry = Official(source="a/b:c.py:D", licence="MIT", build=nn.Identity)
    assert dict(entry.keys) == {"": ""}
    with pytest.raises(TypeError):
        entry.keys["x"] = "y"  # type: ignore[index]


def test_spec_is_frozen_and_its_defaults_claim_nothing() -> None:
    spec = Spec(
        name="x",
        role=Role.GATE,
        family="channel",
        summary="",
        build=nn.Identity,
        maths=(),
        paper=PAPER,
        cost=lambda channels, height, width: Cost(params=0, macs=0),
    )
    assert not spec.starts_as_identity and spec.from_conv is None and spec.straight_through == ()
    assert spec.loss_weights == (1.0,)
    with pytest.raises(FrozenInstanceError):
        spec.name = "y"  # type: ignore[misc]
