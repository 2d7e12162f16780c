"""Value for value against tensorflow-model-optimization, in a process of its own (it changes os.environ)."""

import subprocess
import sys
import textwrap

import pytest

tfmot_installed = pytest.mark.skipif(
    __import__("importlib.util").util.find_spec("tensorflow_model_optimization") is None,
    reason="tensorflow-model-optimization is not installed",
)


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_schedules_need_no_numpy_and_no_keras():
    run("""
        import sys, schedules
        schedules.PolynomialDecay(0, .5, 0, 10)(3)
        assert not {"numpy", "keras", "tensorflow"} & set(sys.modules)
    """)


@tfmot_installed
def test_values_equal_tfmot_and_the_environment_is_restored():
    out = run("""
        import os, schedules, warnings
        os.environ.pop("TF_USE_LEGACY_KERAS", None)
        ours = [
            schedules.PolynomialDecay(0.1, 0.8, 20, 220, power=3, frequency=50),
            schedules.PolynomialDecay(0.0, 0.5, 0, 90, power=1, frequency=7),
            schedules.ConstantSparsity(0.4, 5, frequency=10),
            schedules.ConstantSparsity(0.4, 5, 65, frequency=20),
            schedules.OneShot(0.7, 12),
        ]
        compared = 0
        for mine in ours:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                theirs = schedules.to_tfmot(mine)
            off = mine.end_step != -1 and (mine.end_step - mine.begin_step) % mine.frequency
            assert bool(off) == any("end step" in str(w.message) for w in caught), (mine, caught)
            assert "TF_USE_LEGACY_KERAS" not in os.environ
            for step in range(0, 240):
                due, sparsity = mine(step)
                their_due, their_sparsity = theirs(step)
                if step == mine.end_step and off:
                    assert due and not bool(their_due)  # the one place where they differ, on purpose
                else:
                    assert due == bool(their_due), (mine, step)
                if not isinstance(mine, schedules.OneShot) or step >= 12:
                    assert abs(sparsity - float(their_sparsity)) < 1e-6, (mine, step)
                compared += 1
            if not isinstance(mine, schedules.OneShot):
                assert schedules.from_tfmot(theirs) == mine
        os.environ["TF_USE_LEGACY_KERAS"] = "0"
        schedules.to_tfmot(ours[0])
        assert os.environ["TF_USE_LEGACY_KERAS"] == "0"
        import keras
        assert keras.__version__.startswith("3.")
        print(compared)
    """)
    assert out.strip().endswith("1200")
