"""`gpu` does each step once, goes on after any end, and never shows results of something else."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from ncsn.base.errors import UserError
from ncsn.base.files import read_json, write_json, write_npz
from ncsn.base.yaml_file import read_yaml
from ncsn.config.preset import write_values
from ncsn.runtime.dag import stage_key
from ncsn.train.checkpoint import Checkpoint, load_checkpoint, save_checkpoint

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path.append(str(BENCHMARKS))

import gpu  # noqa: E402
import gpu_places  # noqa: E402
import gpu_steps  # noqa: E402
import gpu_work  # noqa: E402
from gpu_steps import NETWORK, Settings, steps  # noqa: E402
from gpu_work import STOPPED, Work  # noqa: E402

NUM_STEPS = 6


class Stages:
    """Stands in for the stage scripts: leaves their files at once, and notes what was asked."""

    def __init__(self, monkeypatch):
        self.ran, self.reach, self.status, self.seconds = [], NUM_STEPS, {}, []
        monkeypatch.setattr(gpu_work, "run_command", self)

    def __call__(self, words, folder, log, seconds):
        script = Path(words[1]).stem
        self.ran.append(f"{folder.name}:{script}")
        self.seconds.append(seconds)
        status = self.status.get(script, 0)
        return status or getattr(self, f"_{script}", self._other)(folder)

    def _train(self, folder):
        finished = self.reach == NUM_STEPS
        unfinished = folder / ".work" / f"train-{stage_key('train', folder)}" / "checkpoint.pt"
        params = {"model": {}, "train": {}, "noise": {}}
        saved = Checkpoint(self.reach, params, (1, 8, 8), {}, {}, {}, {})
        save_checkpoint(folder / NETWORK if finished else unfinished, saved)
        return 0 if finished else STOPPED

    def _sample(self, folder):
        images = np.zeros((60, 8, 8, 1), np.uint8)
        write_npz(folder / "artifacts/sample/samples.npz", arr_0=images + self.reach)
        write_json(folder / "artifacts/sample/summary.json", {"num_samples": 60})
        return 0

    def _evaluate(self, folder):
        write_json(folder / "reports/metrics.json", {"eval/fid": 1.0})
        return 0

    def _other(self, folder):
        for step in steps_of(folder.parent):
            for name in step.leaves if step.name == f"{folder.name}-data" else ():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_text("{}")
        return 0


def settings_of(top):
    grey, coloured = top / "data" / "grey.npz", top / "data" / "coloured.npz"
    return Settings(True, "cpu", grey, coloured, None, NUM_STEPS, 60, 60, 1)


def steps_of(top):
    return steps(settings_of(top))


@pytest.fixture
def top(tmp_path):
    gpu_places.write_small_data(tmp_path / "data")
    return tmp_path


@pytest.fixture
def stages(monkeypatch):
    return Stages(monkeypatch)


def call(top, *names, seconds=1000.0):
    """What one call of the command does, after its arguments are read."""
    work = Work(settings_of(top), top, with_checkpoint=False)
    chosen = gpu._chosen(steps_of(top), list(names))
    failed = gpu._run_all(work, chosen, time.monotonic() + seconds, None)
    work.write_results([], None)
    return work, {step.name: work.is_done(step) for step in chosen}, failed


def test_each_need_is_left_by_a_step_before():
    settings = settings_of(Path())
    known = {place.name: place for place in gpu_steps.places(settings)}
    left = set()
    for step in steps(settings):
        for script in step.scripts if step.place else ():
            assert (BENCHMARKS.parent / "pipeline" / f"{script}.py").exists()
        for need in step.needs:
            place = known[step.place]
            shared = place.varies and need.startswith(gpu_steps.SHARED)
            assert (place.trained if shared else place.name, need) in left, (step.name, need)
        left |= {(step.place, name) for name in step.leaves}
    assert len({step.name for step in steps(settings)}) == len(steps(settings))


def test_a_second_call_does_nothing(top, stages):
    _, done, failed = call(top, "mnist", "cifar10")
    assert all(done.values()) and not failed
    ran = len(stages.ran)
    _, done, _ = call(top, "mnist", "cifar10")
    assert all(done.values()) and len(stages.ran) == ran


def test_a_variation_leaves_the_place_that_it_varies_as_it_was(top, stages):
    """Once the steps per level of a sweep stayed in params.yaml, under the paper's name."""
    call(top, "cifar10")
    for _ in range(2):
        names = "cifar10", "cifar10-T-3", "cifar10-epsilon-1e-5", "cifar10-denoised"
        values = {name: read_yaml(top / name / "params.yaml")["sampler"] for name in names}
        assert values["cifar10"]["steps_per_level"] == 2 and values["cifar10"]["epsilon"] == 4e-5
        assert values["cifar10-T-3"] == {**values["cifar10"], "steps_per_level": 3}
        assert values["cifar10-epsilon-1e-5"] == {**values["cifar10"], "epsilon": 1e-5}
        assert values["cifar10-denoised"] == {**values["cifar10"], "final_denoise": True}
        call(top, "cifar10-T-3")
    write_values({"sampler.steps_per_level": 3}, top / "cifar10" / "params.yaml")  # by hand
    _, done, _ = call(top, "cifar10-sample")
    assert done == {"cifar10-sample": True}
    assert read_yaml(top / "cifar10" / "params.yaml")["sampler"]["steps_per_level"] == 2


def test_samples_of_an_unfinished_training_are_made_again_when_it_has_gone_on(top, stages):
    """Once they were marked done, and stayed those of the first call for ever."""
    stages.reach = 2
    work, done, _ = call(top, "mnist")
    assert done == {
        "mnist-data": True,
        "mnist-train": False,
        "mnist-sample": True,
        "mnist-evaluate": True,
    }
    assert read_json(work.results / "gpu.json")["steps"]["mnist-evaluate"]["train_step"] == 2
    stages.reach = NUM_STEPS
    work, done, _ = call(top, "mnist")
    assert all(done.values())
    assert stages.ran.count("mnist:sample") == stages.ran.count("mnist:evaluate") == 2
    found = read_json(work.results / "gpu.json")["steps"]
    assert found["mnist-evaluate"]["train_step"] == found["mnist-train"]["train_step"] == NUM_STEPS


def test_a_place_has_no_copy_of_the_code_and_changed_code_is_run_again(top, stages, monkeypatch):
    """Once a place kept the library as it was when it was made."""
    call(top, "mnist")
    for name in ("src", "pipeline", "dvc.yaml"):
        assert (top / "mnist" / name).is_symlink()
        assert (top / "mnist" / name).resolve() == BENCHMARKS.parent / name
    inner, ran = gpu_steps.fingerprint, len(stages.ran)

    def changed(stage, root):
        return inner(stage, root) | ({"planted": "change"} if stage == "evaluate" else {})

    monkeypatch.setattr(gpu_steps, "fingerprint", changed)
    call(top, "mnist")
    assert stages.ran[ran:] == ["mnist:evaluate"]


def test_the_network_of_another_training_is_not_sampled(top, stages):
    stages.reach = 2
    call(top, "mnist-data", "mnist-train", "mnist-sample")
    write_npz(top / "mnist" / "artifacts/data/train.npz", other=np.zeros(1))
    work, done, _ = call(top, "mnist-sample")
    assert not (top / "mnist" / NETWORK).exists() and work.reached["mnist"] == 0
    assert done == {"mnist-sample": False}


@pytest.mark.parametrize("later", [True, False])
def test_a_step_whose_end_nobody_noted_is_done_where_it_left_its_last_file(top, stages, later):
    work, _, _ = call(top, "mnist")
    record = work.records["mnist-evaluate"] | {"state": "begun"}
    last = (top / "mnist" / "reports/metrics.json").stat().st_mtime
    record["begun"] = last - 1 if later else last + 1
    write_json(top / "records.json", work.records | {"mnist-evaluate": record})
    ran = len(stages.ran)
    call(top, "mnist")
    assert stages.ran[ran:] == ([] if later else ["mnist:evaluate"])


def test_a_finished_training_whose_end_nobody_noted_is_not_begun_again(top, stages):
    call(top, "mnist")
    (top / "records.json").unlink()
    ran = len(stages.ran)
    call(top, "mnist-train")
    assert len(stages.ran) == ran


def test_what_fails_is_named_and_others_go_on(top, stages):
    stages.status = {"evaluate": 1}
    _, done, failed = call(top, "mnist", "cifar10-data")
    assert failed == ["mnist-evaluate"] and done["cifar10-data"]


def test_a_training_leaves_time_for_the_steps_behind_it(top, stages, monkeypatch):
    monkeypatch.setattr(Work, "estimate", lambda self, step: 0.0 if step.trains else 100.0)
    call(top, "mnist", seconds=1000.0)
    assert stages.ran[4] == "mnist:train" and 790 < stages.seconds[4] < 801
    monkeypatch.setattr(Work, "estimate", lambda self, step: 0.0 if step.trains else 900.0)
    call(top, "cifar10-data", "cifar10-train", "cifar10-sample", seconds=1000.0)
    assert stages.ran[-2] == "cifar10:train" and 240 < stages.seconds[-2] < 251


def test_what_cannot_go_on_is_not_begun_in_vain(top, stages, monkeypatch):
    monkeypatch.setattr(Work, "estimate", lambda self, step: 60.0)
    _, done, _ = call(top, "mnist-data", "cifar10-data", seconds=50.0)
    assert done == {"mnist-data": True, "cifar10-data": False}  # the first has a call of its own
    _, done, _ = call(top, "mnist-data", "cifar10-data", seconds=50.0)
    assert done == {"mnist-data": True, "cifar10-data": True}
    ran = len(stages.ran)
    call(top, "mnist-train", seconds=1.0)
    assert len(stages.ran) == ran


def test_the_results_are_few_files_and_name_the_machine(top, stages):
    work, _, _ = call(top, "mnist", "cifar10")
    (work.results / "gpu.log").touch()
    names = {path.name for path in work.results.iterdir()}
    assert names == {"gpu.json", "gpu.log", "mnist.png", "cifar10.png", "variations.png"}
    content = json.loads((work.results / "gpu.json").read_text())
    assert content["machine"]["processor"] and content["machine"]["threads"]
    told = content["steps"]["cifar10-T-3-evaluate"]
    assert told["eval/fid"] == 1.0 and told["params"]["sampler.steps_per_level"] == 3
    assert told["commands"] == [f"{sys.executable} pipeline/evaluate.py"]


def test_networks_come_along_where_they_are_wanted(top, stages):
    call(top, "mnist-data", "mnist-train")
    work = Work(settings_of(top), top, with_checkpoint=True)
    work.write_results([], None)
    assert load_checkpoint(work.results / "mnist.pt").step == NUM_STEPS


def test_costs_are_told_before_anything_starts(top, stages, monkeypatch, capsys):
    words = ["gpu.py", "--small", "--folder", str(top), "--steps", "mnist", "--plan"]
    monkeypatch.setattr(sys, "argv", words)
    gpu.main()
    told = capsys.readouterr().out
    assert stages.ran == [] and "mnist-evaluate               about 10 s" in told
    assert "mnist-train                  what time there is; from step 0 about" in told
    call(top, "mnist")
    gpu.main()
    assert "mnist-evaluate               done" in capsys.readouterr().out


def test_a_call_counts_from_the_start_of_its_process():
    code = (
        f"import time; time.sleep(1.2); import sys; sys.path.append({str(BENCHMARKS)!r})\n"
        "begin = time.monotonic(); import gpu\n"
        "print(gpu._seconds_since_start() - (time.monotonic() - begin))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 1.1 < float(done.stdout) < 10


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--small", "--steps", "mnst-train"], r"--steps \(value 'mnst-train'\).*Did you mean"),
        (["--mnist", "nowhere"], r"--mnist \(value 'nowhere'\): there is no such file"),
        (["--cifar", __file__], "--inception: must be given with --cifar"),
    ],
)
def test_a_mistake_is_named(tmp_path, monkeypatch, words, message):
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--folder", str(tmp_path), *words])
    with pytest.raises(UserError, match=message):
        gpu.main()


def test_a_command_ends_when_its_time_does(tmp_path, monkeypatch):
    monkeypatch.setattr(gpu_work, "GRACE_SEC", 4.0)
    polite = "import time\ntry: time.sleep(60)\nexcept KeyboardInterrupt: print('stopped')"
    deaf = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(60)"
    for code in (polite, deaf):
        begin = time.monotonic()
        log = tmp_path / "log"
        assert gpu_work.run_command([sys.executable, "-c", code], tmp_path, log, 1.0) == STOPPED
        assert time.monotonic() - begin < 5.0
    assert "stopped" in log.read_text()
    assert gpu_work.run_command([sys.executable, "-c", "exit(3)"], tmp_path, log, 9.0) == 3


def test_no_step_outlives_a_killed_call(tmp_path):
    code = (
        f"import sys; sys.path.append({str(BENCHMARKS)!r})\n"
        "from pathlib import Path; import gpu_work\n"
        "words = [sys.executable, '-c', 'import os, time; print(os.getpid(), flush=True);"
        " time.sleep(60)']\n"
        "gpu_work.run_command(words, Path('.'), Path('log'), 50)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path)
    child = _until(lambda: _last_number(tmp_path / "log"))
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    _until(lambda: not _is_running(child))


def _until(found, seconds=60.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := found():
            return value
        time.sleep(0.05)
    raise AssertionError("it did not come to pass")


def _last_number(path):
    lines = path.read_text().split() if path.exists() else []
    return int(lines[-1]) if lines and lines[-1].isdigit() else None


def _is_running(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_all_of_it_at_small_size_in_short_calls(tmp_path):
    """The real command on the CPU; calls too short for all, one of them killed in its midst."""
    words = [sys.executable, str(BENCHMARKS / "gpu.py"), "--small", "--folder", str(tmp_path)]
    steps_wanted = ["--steps", "mnist", "cifar10-data", "cifar10-train", "cifar10-T-3"]
    path = os.pathsep.join(filter(None, [str(BENCHMARKS.parent / "src"), *_python_path()]))
    environment = {**os.environ, "PYTHONPATH": path}
    killed = subprocess.Popen([*words, *steps_wanted], env=environment)
    time.sleep(25)
    killed.kill()
    killed.wait()
    for _ in range(12):
        done = subprocess.run(
            [*words, *steps_wanted, "--minutes", "0.9"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=75,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        if "nothing is left" in done.stdout:
            break
    assert "nothing is left" in done.stdout
    found = read_json(tmp_path / "results" / "gpu.json")["steps"]
    assert found["cifar10-T-3-evaluate"]["train_step"] == gpu.SMALL_STEPS
    assert "eval/fid" in found["mnist-evaluate"]


def _python_path():
    return [os.environ.get("PYTHONPATH")]
