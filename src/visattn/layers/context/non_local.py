"""Non-local block: every position receives a weighted sum over all positions.

Paper: Wang et al., Non-local Neural Networks, CVPR 2018, arXiv:1711.07971, eq. 1-6.
"""

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from visattn.core.checks import require_choice, require_positive
from visattn.core.errors import ShapeError
from visattn.core.spec import Cost, Official, Paper, Role, Spec
from visattn.layers.context.attend import attend

Pairwise = Literal["embedded_gaussian", "gaussian", "dot_product", "concatenation"]
SubSample = Literal["before", "after", "none"]


class NonLocal(nn.Module):
    """Add to every position a projection of a weighted sum over all positions.

    `z_i = x_i + BN(W_z Σ_j w_ij v_j)` (Wang et al., eq. 6), where the weights are `softmax_j(q_i · k_j / √d)`
    ("embedded_gaussian"; "gaussian" with `q = k = x`), `q_i · k_j / M` ("dot_product") or
    `relu(w_f · [q_i, k_j]) / M` ("concatenation"), over M keys. The batch norm starts at 0, so the block starts as the
    identity. The dot product is computed in the cheaper of its two orders and the concatenation from running sums over
    the sorted keys, so neither stores N·M weights where these are many.
    Shapes: (B, C, H, W) → (B, C, H, W); sequences (B, C, L) and videos (B, C, T, H, W) work too.
    Cost per image of N positions: 2·C·hidden·(N + P) MACs for the projections, P = M if keys are pooled before their
    projection and N otherwise, half of that for "gaussian"; and N·M·(d + hidden) for the softmax forms,
    hidden·min(2·N·M, hidden·(N + M)) for the dot product, hidden·(N + M) for the concatenation.

    Args:
        channels: C.
        pairwise: The weights, see above.
        hidden: Width of queries, keys and values; None is `max(1, C // 2)`. In "gaussian" only the values have it.
        sub_sample: Max-pool height and width by 2 for the keys and values, "before" or "after" their projection, or
            "none". In sequences L is pooled.
        scale: Divide the logits of the softmax forms by √d, d being the width of the queries.
        norm: Batch norm behind the last projection; without it that projection starts at 0.

    Raises:
        ShapeError: `channels` or `hidden` is below 1, or an input is too small to pool.
        ConfigError: `pairwise` or `sub_sample` is unknown.

    >>> x = torch.rand(2, 16, 5, 7)
    >>> torch.equal(NonLocal(16)(x), x)
    True
    """

    def __init__(
        self,
        channels: int,
        *,
        pairwise: Pairwise = "embedded_gaussian",
        hidden: int | None = None,
        sub_sample: SubSample = "before",
        scale: bool = True,
        norm: bool = True,
    ) -> None:
        super().__init__()
        hidden = max(1, channels // 2) if hidden is None else hidden
        require_positive("non_local", channels=channels, hidden=hidden)
        require_choice("non_local", get_args(Pairwise), pairwise=pairwise)
        require_choice("non_local", get_args(SubSample), sub_sample=sub_sample)
        self.pairwise, self.sub_sample, self.scale = pairwise, sub_sample, scale
        embeds = pairwise != "gaussian"
        self.query = _projection(channels, hidden) if embeds else None
        self.key = _projection(channels, hidden) if embeds else None
        self.value = _projection(channels, hidden)
        self.pair = nn.Conv1d(2 * hidden, 1, 1, bias=False) if pairwise == "concatenation" else None
        self.output = _projection(hidden, channels)
        self.norm = nn.BatchNorm1d(channels) if norm else None
        nn.init.zeros_(self.output.weight if self.norm is None else self.norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` plus what it receives from all positions."""
        keys = _pooled(x) if self.sub_sample == "before" else x
        query = x.flatten(2) if self.query is None else self.query(x.flatten(2))
        y = self.output(self._mix(query, self._project(self.key, keys), self._project(self.value, keys)))
        received: Tensor = y if self.norm is None else self.norm(y)
        return x + received.reshape(x.shape)

    def _project(self, projection: nn.Conv1d | None, x: Tensor) -> Tensor:
        y: Tensor = x if projection is None else projection(x.flatten(2)).unflatten(2, x.shape[2:])
        return (_pooled(y) if self.sub_sample == "after" else y).flatten(2)

    def _mix(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        if self.pair is not None:
            ours, theirs = (
                nn.functional.conv1d(t, w) for t, w in zip((query, key), self.pair.weight.chunk(2, dim=1), strict=True)
            )
            return _rectified_sums(ours, theirs, value) / key.shape[2]
        if self.pairwise == "dot_product":
            return _product(value, key.transpose(1, 2), query) / key.shape[2]
        return attend(query, key, value, scale=None if self.scale else 1.0)

    def extra_repr(self) -> str:
        """Show what the sub-modules do not."""
        return f"pairwise={self.pairwise!r}, sub_sample={self.sub_sample!r}, scale={self.scale}"


def _projection(channels: int, out_channels: int) -> nn.Conv1d:
    projection = nn.Conv1d(channels, out_channels, 1)
    nn.init.normal_(projection.weight, std=0.01)
    nn.init.zeros_(projection.bias)  # type: ignore[arg-type]
    return projection


def _pooled(x: Tensor) -> Tensor:
    """Halve height and width, or the length of a sequence, by their maxima."""
    if min(x.shape[2:][-2:]) < 2:
        raise ShapeError(
            f"non_local got an input of shape {tuple(x.shape)}, expected at least 2 in each dimension that it pools",
            hint="pass sub_sample='none' for smaller maps",
        )
    if x.dim() == 3:
        return nn.functional.max_pool1d(x, 2)
    return nn.functional.max_pool2d(x, 2) if x.dim() == 4 else nn.functional.max_pool3d(x, (1, 2, 2))


def _product(value: Tensor, key: Tensor, query: Tensor) -> Tensor:
    """Multiply (B, E, M), (B, M, E) and (B, E, N) in the cheaper order."""
    hidden, keys, positions = *value.shape[1:], query.shape[2]
    if hidden * (positions + keys) < 2 * positions * keys:
        return torch.matmul(torch.matmul(value, key), query)
    return torch.matmul(value, torch.matmul(key, query))


def _rectified_sums(ours: Tensor, theirs: Tensor, value: Tensor) -> Tensor:
    """Return `Σ_j relu(a_i + b_j) v_j` for a (B, 1, N), b (B, 1, M) and v (B, E, M).

    With the keys in the order of falling b, those that pass the ReLU of one query are the first ones, and their sum
    is `a_i Σ v_j + Σ b_j v_j`: two running sums, read at one place.
    """
    exact = torch.promote_types(value.dtype, torch.float32)
    ours = ours.to(exact)
    theirs, order = theirs.to(exact).sort(dim=2, descending=True)
    ordered = value.to(exact).take_along_dim(order, dim=2)
    sums = nn.functional.pad(torch.cat((ordered, theirs * ordered), dim=1).cumsum(dim=2), (1, 0))
    passing = torch.searchsorted(-theirs.detach(), ours.detach())
    plain, weighted = sums.take_along_dim(passing, dim=2).chunk(2, dim=1)
    return (ours * plain + weighted).to(value.dtype)


def cost(
    channels: int,
    height: int,
    width: int,
    *,
    pairwise: Pairwise = "embedded_gaussian",
    hidden: int | None = None,
    sub_sample: SubSample = "before",
    scale: bool = True,
    norm: bool = True,
) -> Cost:
    """Closed-form cost of `NonLocal` for one image."""
    hidden = max(1, channels // 2) if hidden is None else hidden
    positions = height * width
    keys = positions if sub_sample == "none" else (height // 2) * (width // 2)
    projected = keys if sub_sample == "before" else positions
    embeds = pairwise != "gaussian"
    mixing = {
        "embedded_gaussian": 2 * positions * keys * hidden,
        "gaussian": positions * keys * (channels + hidden),
        "dot_product": hidden * min(2 * positions * keys, hidden * (positions + keys)),
        "concatenation": hidden * (positions + keys),
    }
    return Cost(
        params=(2 + 2 * embeds) * channels * hidden
        + (1 + 2 * embeds) * hidden
        + channels * (1 + 2 * norm)
        + 2 * hidden * (pairwise == "concatenation"),
        macs=(1 + embeds) * channels * hidden * (positions + projected) + mixing[pairwise],
    )


_KEYS = {
    "theta.": "query.",
    "phi.": "key.",
    "phi.0.": "key.",
    "g.": "value.",
    "g.0.": "value.",
    "concat_project.0.": "pair.",
    "W.": "output.",
    "W.0.": "output.",
    "W.1.": "norm.",
}


def _official(file: str, pairwise: Pairwise, dimensions: tuple[int, ...]) -> tuple[Official, ...]:
    def build(
        in_channels: int, inter_channels: int | None = None, sub_sample: bool = True, bn_layer: bool = True
    ) -> NonLocal:
        when: SubSample = "after" if sub_sample else "none"
        return NonLocal(
            in_channels, pairwise=pairwise, hidden=inter_channels, sub_sample=when, scale=False, norm=bn_layer
        )

    return tuple(
        Official(
            source=f"AlexHex7/Non-local_pytorch:lib/non_local_{file}.py:NONLocalBlock{n}D",
            licence="Apache-2.0",
            build=build,
            keys=_KEYS,
        )
        for n in dimensions
    )


SPEC = Spec(
    name="non_local",
    role=Role.GATE,
    family="context",
    summary="Every position receives a sum over all positions, weighted by how well the two match.",
    build=NonLocal,
    maths=(
        "q = W_q x, k = W_k x̂, v = W_v x̂, x̂ the input max-pooled by 2",
        "w_ij = softmax over the M keys j of q_i · k_j / √d",
        "z_i = x_i + BN(W_z Σ_j w_ij v_j)",
    ),
    paper=Paper(
        title="Non-local Neural Networks",
        authors="Wang, Girshick, Gupta, He",
        venue="CVPR",
        year=2018,
        arxiv="1711.07971",
    ),
    official=(
        *_official("embedded_gaussian", "embedded_gaussian", (1, 2, 3)),
        *_official("gaussian", "gaussian", (2, 3)),
        *_official("dot_product", "dot_product", (1, 2, 3)),
        *_official("concatenation", "concatenation", (2, 3)),
    ),
    options={
        "pairwise": "the weights: 'embedded_gaussian', 'gaussian', 'dot_product' or 'concatenation'",
        "hidden": "width of queries, keys and values, None is max(1, C // 2)",
        "sub_sample": "max-pool keys and values by 2 'before' or 'after' their projection, or 'none'",
        "scale": "divide the logits of the softmax forms by √d",
        "norm": "batch norm behind the last projection",
    },
    default_reason=(
        "The authors' code: pooling before the projections, scaled logits, projections drawn with a deviation of 0.01, "
        "a batch norm that starts at 0."
    ),
    differs=(
        "The paper's formulas have no scale (`scale=False`); the authors' code divides the logits by √d.",
        "The authors' code pools before the projections; the paper's text puts the pooling behind them, as the PyTorch "
        "port by AlexHex7 does. The maximum of a projection is not the projection of a maximum.",
        "The authors' code has the embedded Gaussian and the dot product; the other two forms are in the paper alone.",
        "AlexHex7's port has no scale and the initialisation of nn.Conv2d.",
        "mmcv pools by default not at all, and leaves the Gaussian form without the scale of the embedded one.",
        "timm's NonLocalAttn has a bottleneck of C/8 and divides by √C, the input's width.",
    ),
    cost=cost,
    starts_as_identity=True,
    minimum_size=2,
)
