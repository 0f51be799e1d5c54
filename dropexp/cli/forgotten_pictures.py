"""Collects the pictures of the images that a setting forgot most, from the data of its runs."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dropexp.compare.forgotten import TrackedSetting
    from dropexp.report.forgotten_page import ForgottenPictures


def collect_pictures(tracked: "TrackedSetting", most: int, *, trust: bool) -> "ForgottenPictures":
    """Return the images that a setting forgot most, with their pictures.

    Args:
        tracked: the setting with its runs.
        most: how many images.
        trust: whether what the recorded configs name may be imported, called and read.

    Raises:
        UntrustedError: a config names code or a folder that the user has not used.
        DataError: the data set is missing, or is not the one that a run was trained on.
    """
    from dropexp.compare.forgotten import find_most_forgotten
    from dropexp.config.run_config import RunConfig
    from dropexp.report.forgotten_page import ForgottenPictures
    from dropexp.runs.files import CONFIG
    from dropexp.runs.trust import refuse_untrusted
    from dropexp.training.example_pictures import load_pictures

    images = find_most_forgotten(tracked, most)
    by_folder: dict[Path, list[int]] = {}
    for number, image in enumerate(images):
        by_folder.setdefault(image.folder, []).append(number)
    runs = {run.folder.path: run for run in tracked.runs}
    pictures: dict[int, NDArray[np.uint8]] = {}
    names: tuple[str, ...] = ()
    for folder, numbers in by_folder.items():
        run = runs[folder]
        config = RunConfig.from_mapping(run.folder.read_config())
        refuse_untrusted(config, folder / CONFIG, trust=trust)
        places = [images[number].place for number in numbers]
        loaded, names = load_pictures(config.data, run.history, places)
        pictures |= dict(zip(numbers, loaded, strict=True))
    return ForgottenPictures(
        name=tracked.name,
        images=images,
        pictures=[pictures[number] for number in range(len(images))],
        class_names=names,
    )
