"""A worker: devices, a store that it does not share, and runs that are to stop."""

from dataclasses import replace
from pathlib import Path

import pytest

from dropexp.config.run_config import RunConfig
from dropexp.errors import BusyError
from dropexp.runs.write import FolderStatus, RunFolder
from dropexp.sweep import worker
from dropexp.sweep.conduct import slots
from dropexp.sweep.run_server import RunLog
from dropexp.sweep.worker import SHARED, STOP, Ending, Outcome, Request, execute
from tests.builders import compose_tiny
from tests.run_folders import make_record


def request_for(runs_dir: Path, *overrides: str, devices: tuple[str, ...] = ()) -> Request:
    config = compose_tiny(*overrides, "train.epochs=1")
    sweep_dir = runs_dir / ".sweeps" / "x"
    sweep_dir.mkdir(parents=True, exist_ok=True)
    (sweep_dir / SHARED).write_text("token")
    return Request(
        config.to_mapping(),
        config.run_id,
        str(runs_dir),
        str(sweep_dir),
        "token",
        0.0,
        None,
        devices,
    )


def do(request: Request) -> Outcome:
    return execute({"request": request.to_json()})


def test_a_worker_that_shares_the_store_writes_there(tmp_path: Path) -> None:
    outcome = do(request_for(tmp_path))
    assert (outcome.ending, outcome.files) == (Ending.FINISHED, None)
    assert RunFolder(tmp_path, outcome.run_id).read_summary().run_id == outcome.run_id


@pytest.mark.parametrize("sign", ["gone", "another sweep's"])
def test_a_worker_that_does_not_share_the_store_gives_back_the_whole_folder(
    tmp_path: Path, sign: str
) -> None:
    request = request_for(tmp_path)
    shared = Path(request.sweep_dir) / SHARED
    shared.unlink() if sign == "gone" else shared.write_text("other")
    outcome = do(request)
    assert outcome.ending is Ending.FINISHED
    assert not (tmp_path / outcome.run_id).exists()
    assert outcome.files is not None
    received = RunFolder(tmp_path / "here", outcome.run_id)
    received.path.mkdir(parents=True)
    received.replace_files(outcome.files)
    assert do(request_for(tmp_path)).ending is Ending.FINISHED
    direct = RunFolder(tmp_path, outcome.run_id)
    assert received.read_summary().last == direct.read_summary().last
    weights = [(f.path / "model.safetensors").read_bytes() for f in (received, direct)]
    assert weights[0] == weights[1]


def test_a_run_that_another_process_trains_is_left_to_it(tmp_path: Path) -> None:
    request = request_for(tmp_path)
    with RunFolder(tmp_path, request.run_id).lock():
        assert do(request).ending is Ending.BUSY
    with (
        RunFolder(tmp_path, request.run_id).lock(),
        pytest.raises(BusyError),
        RunFolder(tmp_path, request.run_id).lock(patience=0.01),
    ):
        pass


def test_no_run_is_begun_after_the_sweep_was_asked_to_stop(tmp_path: Path) -> None:
    request = request_for(tmp_path)
    (Path(request.sweep_dir) / STOP).touch()
    assert do(request).ending is Ending.STOPPED
    assert not (tmp_path / request.run_id).exists()


def test_each_run_at_a_time_has_a_device_of_its_own(tmp_path: Path) -> None:
    request = request_for(tmp_path, devices=("cuda:0", "cuda:1"))
    with worker._device(request) as first, worker._device(request) as second:
        assert {first, second} == {"cuda:0", "cuda:1"}
    with worker._device(request) as again:
        assert again == "cuda:0", "it was given back"
    with worker._device(request_for(tmp_path)) as none:
        assert none is None


def test_what_this_machine_lacks_is_no_failure_of_the_run(tmp_path: Path) -> None:
    outcome = do(request_for(tmp_path, devices=("cuda:7",)))
    assert outcome.ending is Ending.FAILED
    assert "cuda:7" in outcome.message
    assert not (tmp_path / outcome.run_id).exists()


def test_what_the_config_forbids_is_remembered(tmp_path: Path) -> None:
    outcome = do(request_for(tmp_path, "regulariser=stochastic_depth", "model.shortcut=false"))
    assert outcome.ending is Ending.FAILED
    assert RunFolder(tmp_path, outcome.run_id).status is FolderStatus.FAILED
    assert RunFolder(tmp_path, outcome.run_id).read_error() == outcome.message


def test_a_finished_run_is_left_as_it_is_when_forcing_is_refused(tmp_path: Path) -> None:
    done = do(request_for(tmp_path))
    before = RunFolder(tmp_path, done.run_id).read_files()
    refused = do(request_for(tmp_path, "force=true", devices=("cuda:7",)))
    assert (refused.run_id, refused.ending) == (done.run_id, Ending.FAILED)
    assert RunFolder(tmp_path, done.run_id).read_files() == before


def test_a_run_that_failed_in_another_sweep_meanwhile_is_not_tried_again(tmp_path: Path) -> None:
    request = request_for(tmp_path)
    folder = RunFolder(tmp_path, request.run_id)
    folder.path.mkdir()
    folder.write("config.yaml", "")
    folder.write("error.txt", "why\n")
    outcome = do(request)
    assert (outcome.ending, outcome.message) == (Ending.FAILED, "why")
    later = replace(request, began_at=folder.changed_at("error.txt") + 1)
    assert do(later).ending is Ending.FINISHED


def test_gpus_are_slots_where_the_runs_may_use_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dropexp.sweep.conduct._CUDA_DRIVERS", ("/",))
    monkeypatch.setattr("dropexp.sweep.conduct.cores", lambda: 12)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 3)
    assert slots([compose_tiny()]) == 3
    assert slots([compose_tiny("device=cpu")]) == 12
    assert slots([compose_tiny("device=cpu", "threads=4")]) == 3
    assert slots([compose_tiny("device=cuda:1")]) == 12
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    assert slots([compose_tiny()]) == 12


@pytest.mark.parametrize(("seconds", "stops"), [(0.1, False), (60.0, True)])
def test_a_run_stops_after_the_epoch_unless_its_end_is_near(
    tmp_path: Path, seconds: float, stops: bool
) -> None:
    stop = tmp_path / STOP
    log = RunLog(RunFolder(tmp_path, "x"), stop)
    one = replace(make_record(1, 0.5), seconds=seconds)
    log.report_epoch(one, epochs=10)
    stop.touch()
    if stops:
        with pytest.raises(KeyboardInterrupt):
            log.report_epoch(one, epochs=10)
    else:
        log.report_epoch(one, epochs=10)


def test_a_request_survives_its_journey(tmp_path: Path) -> None:
    request = request_for(tmp_path, devices=("cuda:0",))
    there = Request.from_json(request.to_json())
    assert RunConfig.from_mapping(there.config) == RunConfig.from_mapping(request.config)
    assert list(there.devices) == ["cuda:0"]
