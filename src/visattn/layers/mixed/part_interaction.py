"""What SIAU and STIAU share: parts found by attention, related to each other, and a feature vector made of them.

Paper: Hou et al., IAUnet: Global Context-Aware Feature Learning for Person Re-Identification, TNNLS 2020,
arXiv:2009.01035.
"""

import torch
from torch import Tensor, nn

from visattn.core.checks import require_positive
from visattn.core.errors import ShapeError
from visattn.core.spec import Cost

RELATION_KEYS = {
    "module_w.relation.0.": "relation.",
    "module_w.relation.1.": "relation_norm.",
    "module_l.fsm.0.": "update.",
    "module_l.fsm.1.": "update_norm.",
}
"""The authors' keys of a `PartRelation`."""


class PartRelation(nn.Module):
    """Update every part from the parts that it may look at, each weighted by how it differs from them.

    With `p` the K parts of T frames and `u` the whole: `l_ij = BN(w [|p_i − p_j|; u] + b)`, `A = softmax_j` of the
    allowed `l_ij`, and `p'_i = relu(BN(W [p_i; Σ_j A_ij p_j] + b'))`. Allowed are the other parts of the same frame
    and the same part of other frames.
    Shapes: (B, T, K, D), (B, D) → (B, T, K, D).

    Args:
        width: D.

    >>> PartRelation(8)(torch.ones(2, 3, 4, 8), torch.ones(2, 8)).shape
    torch.Size([2, 3, 4, 8])
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.relation = nn.Linear(2 * width, 1)
        self.relation_norm = nn.BatchNorm2d(1)
        self.update = nn.Linear(2 * width, width)
        self.update_norm = nn.BatchNorm1d(width)
        nn.init.kaiming_normal_(self.relation.weight, mode="fan_out")
        nn.init.kaiming_normal_(self.update.weight, mode="fan_out")

    def forward(self, parts: Tensor, whole: Tensor) -> Tensor:
        """Return the updated parts."""
        B, T, K, D = parts.shape
        nodes = parts.reshape(B, T * K, D)
        difference = (nodes[:, :, None] - nodes[:, None]).abs()
        pairs = torch.cat((difference, whole[:, None, None].expand_as(difference)), dim=3)
        # the batch norm sees the logits of forbidden pairs too, as in the authors' code
        logits = self.relation_norm(self.relation(pairs).reshape(B, 1, T * K, T * K))[:, 0]
        attention = logits.masked_fill(~_allowed(T, K, logits.device), -torch.inf).softmax(dim=2)
        seen = torch.cat((nodes, torch.matmul(attention, nodes)), dim=2)
        updated: Tensor = self.update_norm(self.update(seen).flatten(0, 1)).relu()
        return updated.reshape(parts.shape)


def _allowed(frames: int, parts: int, device: torch.device) -> Tensor:
    """Tell which node may look at which, (T·K, T·K): same frame or same part, not both."""
    frame = torch.arange(frames, device=device).repeat_interleave(parts)
    part = torch.arange(parts, device=device).repeat(frames)
    return (frame[:, None] == frame) ^ (part[:, None] == part)


class PartInteraction(nn.Module):
    """Add to every position of a frame one vector, made of the related parts of the frame and of the whole clip.

    `a = σ(BN(conv(x)))` finds K parts, `p_k = W_g Σ a_k x + b_g` sums each over the positions of a frame, `u` is the
    same map of the mean of `x`; then `y = x + BN(W [mean_k p'_k; u] + b)` with `PartRelation`'s p'. The last batch
    norm starts at 0, so `y` starts as `x`.
    Shapes: (B, C, T, H, W) → same, and the maps of the parts, (B, T, K, H, W). An image (B, C, H, W) is a clip of one
    frame; there its maps are (B, K, H, W).

    Args:
        mechanism: Whose part this is, for messages.
        channels: C; parts have D = max(1, C // 2) values.
        parts: K.

    Raises:
        ShapeError: `channels` is below 1 or `parts` below 2.

    >>> y, maps = PartInteraction("stiau", 8, 4)(torch.ones(2, 8, 3, 5, 7))
    >>> y.shape, maps.shape
    (torch.Size([2, 8, 3, 5, 7]), torch.Size([2, 3, 4, 5, 7]))
    """

    def __init__(self, mechanism: str, channels: int, parts: int) -> None:
        super().__init__()
        require_positive(mechanism, channels=channels)
        if parts < 2:
            raise ShapeError(
                f"{mechanism} got parts={parts}, expected at least 2", hint="a part needs another one to look at"
            )
        width = max(1, channels // 2)
        self.parts = nn.Conv2d(channels, parts, 1)
        self.parts_norm = nn.BatchNorm2d(parts)
        self.reduce = nn.Linear(channels, width)
        self.relation = PartRelation(width)
        self.update = nn.Linear(2 * width, channels)
        self.norm = nn.BatchNorm1d(channels)
        for layer in (self.parts, self.reduce, self.update):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out")
        nn.init.zeros_(self.norm.weight)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the updated clip and the maps of its parts."""
        if x.dim() == 4:
            clip, maps = self(x[:, :, None])
            return clip[:, :, 0], maps[:, 0]
        frames = x.transpose(1, 2).flatten(0, 1)
        maps = self.parts_norm(self.parts(frames)).sigmoid()
        sums = torch.matmul(maps.flatten(2), frames.flatten(2).transpose(1, 2))
        maps, sums = (t.unflatten(0, (len(x), -1)) for t in (maps, sums))
        whole = self.reduce(x.mean(dim=(2, 3, 4)))
        parts = self.relation(self.reduce(sums), whole).mean(dim=2)
        described = torch.cat((parts, whole[:, None].expand_as(parts)), dim=2)
        added: Tensor = self.norm(self.update(described).transpose(1, 2))
        return x + added[:, :, :, None, None], maps


def cost(channels: int, height: int, width: int, *, parts: int, frames: int) -> Cost:
    """Closed-form cost of `PartInteraction` for one clip."""
    D, nodes = max(1, channels // 2), frames * parts
    weights = channels * parts + channels * D + 2 * D * (1 + D + channels)
    biases_and_norms = 3 * parts + D + 3 + 3 * D + 3 * channels
    finding = 2 * nodes * channels * height * width
    relating = nodes**2 * 3 * D + nodes * 2 * D**2
    return Cost(
        params=weights + biases_and_norms,
        macs=finding + (nodes + 1) * channels * D + relating + frames * 2 * D * channels,
    )
