import torch

from visattn.comparison.arms import build_arm, example_images, plain_model
from visattn.comparison.plan import Arm
from visattn.comparison.survey import survey


def test_all_arms_of_a_seed_share_the_weights_of_the_plain_network(make):
    plan, setting = make("se,eca,cbam,gc,rfaconv")
    for seed in plan.seeds:
        plain = plain_model(setting, seed).state_dict()
        for arm in survey(plan, setting).arms:
            model, receipt = build_arm(setting, arm, seed)
            state = model.state_dict()
            gone = {s.path for s in receipt.sites if s.how.startswith("replaced")} if receipt else set()
            kept = [k for k in plain if k.rpartition(".")[0] not in gone]
            assert all(torch.equal(state[k], plain[k]) for k in kept), arm.id
            assert len(kept) >= len(plain) - len(gone)


def test_other_seeds_give_other_weights_to_the_network_and_to_the_mechanism(make):
    plan, setting = make("se")
    arm = Arm(id="se", kind="mechanism", choice=plan.mechanisms[0])
    first, again, other = (build_arm(setting, arm, s)[0].state_dict() for s in (0, 0, 1))
    assert all(torch.equal(first[k], again[k]) for k in first)
    differing = [k for k in first if k.endswith("weight") and first[k].dim() > 1]
    assert any(".visattn." in k for k in differing)
    assert not any(torch.equal(first[k], other[k]) for k in differing)


def test_a_label_does_not_change_the_weights(make):
    plan, setting = make("se")
    states = [
        build_arm(setting, Arm(id=name, kind="mechanism", choice=plan.mechanisms[0]), 0)[0].state_dict()
        for name in ("a", "b")
    ]
    assert all(torch.equal(states[0][k], states[1][k]) for k in states[0])


def test_example_images_leave_the_generator_alone(make):
    _, setting = make()
    torch.manual_seed(0)
    before = torch.get_rng_state()
    assert example_images(setting, 3).shape == (3, 1, 12, 12)
    assert torch.equal(torch.get_rng_state(), before)


def test_identity_insertion_is_the_plain_network_at_first(make):
    plan, setting = make("se,cbam", insertion="identity")
    x = example_images(setting, 4)
    want = plain_model(setting, 0).eval()(x)
    for choice in plan.mechanisms:
        model, _ = build_arm(setting, Arm(id="x", kind="mechanism", choice=choice), 0)
        assert torch.equal(model.eval()(x), want)
