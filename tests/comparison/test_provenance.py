from visattn import __version__
from visattn.comparison.provenance import machine, versions


def test_versions_name_what_took_part():
    found = versions()
    assert found["visattn"] == __version__
    assert {"python", "torch", "numpy", "scipy"} <= set(found)


def test_machine_is_described():
    found = machine("cpu")
    assert found["device"] == "cpu"
    assert found["cores"] >= 1
    assert found["memory_gib"] > 0
    assert found["cpu"]
