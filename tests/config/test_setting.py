from dropexp.config.setting import name_settings

SMALL_CNN = {"regulariser.name": "none", "model.name": "small_cnn", "model.width": 64}
CUSTOM = {
    "regulariser.name": "none",
    "model.name": "custom",
    "model.sites": None,
    "model.target": "nets:Net",
    "model.fingerprint": "ff388fc99c4b",
}


def test_a_name_has_no_fingerprint_and_no_null_of_another_kind_of_model() -> None:
    assert name_settings([SMALL_CNN, CUSTOM]) == [
        "none model.name=small_cnn model.width=64",
        "none model.name=custom model.target=nets:Net",
    ]


def test_a_null_beside_other_values_of_its_field_is_named() -> None:
    settings = [{**SMALL_CNN, "data.train_size": size} for size in (50, None)]
    assert name_settings(settings) == ["none data.train_size=50", "none data.train_size=None"]


def test_settings_that_only_a_fingerprint_tells_apart_have_different_names() -> None:
    changed = {**CUSTOM, "model.fingerprint": "0123456789ab"}
    assert name_settings([CUSTOM, changed]) == [
        "none model.fingerprint=ff388fc99c4b",
        "none model.fingerprint=0123456789ab",
    ]


def test_noise_of_the_users_own_has_the_name_of_its_class() -> None:
    rows = {
        "regulariser.name": "custom",
        "regulariser.p": 0.3,
        "regulariser.target": "noises:Rows",
        "regulariser.fingerprint": "ff388fc99c4b",
    }
    stripes = {
        **rows,
        "regulariser.target": "others:Stripes",
        "regulariser.fingerprint": "0123456789ab",
    }
    joined = {
        "regulariser.name": "custom+mixup",
        "regulariser.p": 0.5,
        "regulariser.custom.p": 0.3,
        "regulariser.custom.target": "noises:Rows",
        "regulariser.mixup.p": 0.5,
    }
    assert name_settings([rows, stripes, joined]) == [
        "custom:Rows p=0.3",
        "custom:Stripes p=0.3",
        "custom:Rows p=0.3 + mixup p=0.5",
    ]
    same = {**stripes, "regulariser.target": "others:Rows"}
    assert len(set(name_settings([rows, same]))) == 2
