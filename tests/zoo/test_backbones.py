import pytest
import torch

from visattn.core.errors import ConfigError, UnknownNameError
from visattn.zoo import backbone, list_backbones, load_weights
from visattn.zoo.backbones import OWN


@pytest.mark.parametrize("name", [*OWN, "torchvision/resnet18", "timm/resnet18", "mobilenet_v2", "mobilenetv2_100"])
@pytest.mark.parametrize("channels", [1, 3])
def test_models_by_name(name, channels):
    model = backbone(name, num_classes=4, in_channels=channels).eval()
    assert model(torch.zeros(1, channels, 64, 64)).shape == (1, 4)


def test_equal_seeds_give_equal_weights():
    states = []
    for _ in range(2):
        torch.manual_seed(3)
        states.append(backbone("resnet8", num_classes=4).state_dict())
    assert all(torch.equal(states[0][k], states[1][k]) for k in states[0])


def test_the_list_names_its_libraries():
    names = list_backbones()
    assert {"resnet8", "torchvision/resnet18", "timm/resnet18"} <= set(names)


@pytest.mark.parametrize(("name", "near"), [("resnt18", "resnet18"), ("timm/resnet_18", "timm/resnet18")])
def test_unknown_model_names_the_nearest(name, near):
    with pytest.raises(UnknownNameError, match=near):
        backbone(name, num_classes=2)


def test_own_models_have_no_pretrained_weights():
    with pytest.raises(ConfigError, match="no pretrained weights"):
        backbone("resnet8", num_classes=2, pretrained=True)


def test_unreachable_pretrained_weights_say_so(monkeypatch):
    def offline(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr("torchvision.models.get_model", offline)
    with pytest.raises(ConfigError, match="cannot be had: no network.*--weights"):
        backbone("torchvision/resnet18", num_classes=2, pretrained=True)


@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: {"state_dict": s}, lambda s: {"model": s}])
def test_weights_load_from_a_file(tmp_path, wrap):
    source, target = backbone("resnet8", num_classes=4), backbone("resnet8", num_classes=4)
    torch.save(wrap({f"module.{k}": v for k, v in source.state_dict().items()}), tmp_path / "w.pt")
    assert "of" in load_weights(target, tmp_path / "w.pt")
    assert all(torch.equal(a, b) for a, b in zip(source.parameters(), target.parameters(), strict=True))


def test_a_head_of_another_size_stays_new(tmp_path):
    source, target = backbone("resnet8", num_classes=4), backbone("resnet8", num_classes=9)
    torch.save(source.state_dict(), tmp_path / "w.pt")
    said = load_weights(target, tmp_path / "w.pt")
    assert "new head (fc.weight, fc.bias)" in said
    assert torch.equal(source.conv1.weight, target.conv1.weight)


def test_weights_of_another_network_are_refused(tmp_path):
    torch.save(backbone("resnet14", num_classes=4).state_dict(), tmp_path / "w.pt")
    load_weights(backbone("resnet8", num_classes=4), tmp_path / "w.pt")
    torch.save(backbone("resnet8", num_classes=4).state_dict(), tmp_path / "w.pt")
    with pytest.raises(ConfigError, match="does not fit the model"):
        load_weights(backbone("resnet14", num_classes=4), tmp_path / "w.pt")


@pytest.mark.parametrize(
    ("content", "message"), [(None, "no weights file"), (b"junk", "cannot be read as weights"), ([1], "no state_dict")]
)
def test_files_that_are_no_weights_are_named(tmp_path, content, message):
    path = tmp_path / "w.pt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(ConfigError, match=message):
        load_weights(backbone("resnet8", num_classes=2), path)
