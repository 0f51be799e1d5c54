from dropexp.compare.mean_curves import mean_curve
from tests.made_up import make_comparison


def test_a_long_training_is_thinned_with_both_ends_kept() -> None:
    study = make_comparison(("none",), epochs=500, seeds=2)
    curve = mean_curve(study.rows[0].setting, "val_loss").thin(100)
    assert len(curve) == 100
    assert min(curve) == 1
    assert max(curve) == 500
