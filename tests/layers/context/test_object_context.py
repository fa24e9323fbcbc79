import pytest
import torch

from visattn.core.errors import ShapeError
from visattn.layers.context.object_context import ObjectAttention, ObjectContext, SpatialGather, cost


def randomised(module: torch.nn.Module) -> torch.nn.Module:
    with torch.no_grad():
        for p in module.parameters():
            p.add_(0.5 * torch.randn_like(p))
    return module.double().eval()


def image(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64)


class TestSpatialGather:
    def test_by_hand(self) -> None:
        """Logits 0 and ln 3 over two pixels of 4 and 8: ¼ · 4 + ¾ · 8; twice the logits weigh 1 to 9."""
        x = torch.tensor([[[[4.0, 8.0]]]])
        maps = torch.tensor([[[[0.0, 3.0]]]]).clamp(min=1).log()
        torch.testing.assert_close(SpatialGather()(x, maps), torch.tensor([[[[7.0]]]]))
        torch.testing.assert_close(SpatialGather(scale=2)(x, maps), torch.tensor([[[[7.6]]]]))

    def test_a_constant_map_gives_the_mean_and_a_sharp_one_its_pixel(self) -> None:
        x, maps = image(2, 3, 4, 5), torch.zeros(2, 2, 4, 5).double()
        maps[:, 1, 2, 3] = 1000
        regions = SpatialGather()(x, maps)
        torch.testing.assert_close(regions[:, :, 0, 0], x.mean(dim=(2, 3)))
        torch.testing.assert_close(regions[:, :, 1, 0], x[:, :, 2, 3])

    def test_classes_do_not_compete(self) -> None:
        """The softmax runs over positions: the map of one class changes no other region, its level not even its own."""
        x, maps, level = image(2, 3, 4, 5), image(2, 2, 4, 5), torch.tensor([5.0, -3.0]).reshape(2, 1, 1)
        torch.testing.assert_close(SpatialGather()(x, maps + level), SpatialGather()(x, maps))
        changed = torch.cat((maps[:, :1], image(2, 1, 4, 5)), dim=1)
        assert torch.equal(SpatialGather()(x, changed)[:, :, 0], SpatialGather()(x, maps)[:, :, 0])

    def test_sizes_that_differ(self) -> None:
        message = (
            r"ocr got features of \(4, 5\) and class maps of \(2, 5\), expected the same size: resize the features"
        )
        with pytest.raises(ShapeError, match=message):
            SpatialGather()(image(2, 3, 4, 5), image(2, 2, 2, 5))


class TestObjectAttention:
    def test_the_formula(self) -> None:
        module, x, regions = randomised(ObjectAttention(6, key_channels=4)), image(2, 6, 3, 5), image(2, 6, 7, 1)
        query, key, value = module.query(x), module.key(regions)[..., 0], module.value(regions)[..., 0]
        weights = (torch.einsum("bdhw,bdk->bkhw", query, key) / 2).softmax(dim=1)
        torch.testing.assert_close(module(x, regions), module.output(torch.einsum("bkhw,bdk->bdhw", weights, value)))

    def test_regions_have_no_order(self) -> None:
        module, x, regions = randomised(ObjectAttention(6, key_channels=4)), image(2, 6, 3, 5), image(2, 6, 7, 1)
        torch.testing.assert_close(module(x, regions[:, :, torch.randperm(7)]), module(x, regions))

    def test_a_single_region_is_the_context_of_every_pixel(self) -> None:
        module, x, regions = randomised(ObjectAttention(6, key_channels=4)), image(2, 6, 3, 5), image(2, 6, 1, 1)
        torch.testing.assert_close(module(x, regions), module.output(module.value(regions)).expand(2, 6, 3, 5))

    def test_sub_sampling_pools_before_and_enlarges_after(self) -> None:
        module = randomised(ObjectAttention(6, key_channels=4, sub_sample=2))
        x, regions = image(2, 6, 5, 7), image(2, 6, 3, 1)
        pooled = torch.nn.functional.max_pool2d(x, 2)
        module.sub_sample = 1
        small = module(pooled, regions)
        module.sub_sample = 2
        got = module(x, regions)
        assert small.shape[2:] == (2, 3) and got.shape == x.shape
        torch.testing.assert_close(got[:, :, ::4, ::3], small)  # corners stay corners

    def test_errors(self) -> None:
        for name in ("channels", "key_channels", "sub_sample"):
            with pytest.raises(ShapeError, match=f"ocr got {name}=0, expected at least 1"):
                ObjectAttention(**{"channels": 6, "key_channels": 4, name: 0})
        with pytest.raises(ShapeError, match=r"ocr got features of \(3, 2\), expected at least sub_sample=3 each way"):
            ObjectAttention(6, key_channels=4, sub_sample=3)(image(1, 6, 3, 2), image(1, 6, 3, 1))


class TestObjectContext:
    @pytest.mark.parametrize(("bias", "params"), [(True, 1_186_560), (False, 1_184_256)])
    def test_published_parameters(self, bias: bool, params: int) -> None:
        assert sum(p.numel() for p in ObjectContext(512, 512, key_channels=256, bias=bias).parameters()) == params
        assert cost(512, 512, 19, 8, 8, key_channels=256, bias=bias).params == params

    def test_published_macs_with_the_convolution_before(self) -> None:
        """The paper's 340 GFLOPs, two per multiply-add, for 2048 channels of 128×128 and 19 classes."""
        macs = cost(512, 512, 19, 128, 128, key_channels=256).macs + 9 * 2048 * 512 * 128 * 128
        assert 2 * macs / 1e9 == pytest.approx(337.8, abs=0.05)

    def test_the_context_comes_before_the_pixel(self) -> None:
        module, x, regions = randomised(ObjectContext(6, 5, key_channels=4)), image(2, 6, 3, 5), image(2, 6, 7, 1)
        joined = torch.cat((module.attention(x, regions), x), dim=1)
        torch.testing.assert_close(module(x, regions), module.fuse(joined))

    def test_errors(self) -> None:
        with pytest.raises(ShapeError, match="ocr got out_channels=0, expected at least 1"):
            ObjectContext(6, 0, key_channels=4)
