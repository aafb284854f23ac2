import base64
import gc
import pickle
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from hydra import compose, initialize_config_module
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from pdtrain.commands.probe import probe
from pdtrain.commands.stored_targets import check_targets
from pdtrain.errors import InputError
from pdtrain.training.checkpoint_io import WholeCheckpointIO
from pdtrain.training.models import timm_model


class _Touch:
    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self._path,)


def _call(target: str, *arguments: Any, **options: Any) -> dict[str, Any]:
    return {"_target_": target, "_args_": list(arguments), **options}


def _working_gadgets(folder: Path, mark: Path) -> dict[str, dict[str, Any]]:
    """Nodes that make the file `mark` when Hydra builds them."""
    touch, code = f"touch {mark}", f"open({str(mark)!r}, 'w').close()"
    pickled = pickle.dumps(_Touch(mark))
    (folder / "evil.py").write_text(code)
    (folder / "hubconf.py").write_text(f"{code}\ndef net(): pass")
    (folder / "evil.pkl").write_bytes(pickled)
    torch.save(_Touch(mark), folder / "evil.pt")
    np.save(folder / "evil.npy", np.array([_Touch(mark)], dtype=object), allow_pickle=True)
    stream = _call("io.BytesIO", base64.b64decode(base64.b64encode(pickled)))
    return {
        "a shell": _call("os.system", touch),
        "a process": _call("subprocess.run", ["touch", str(mark)]),
        "a process that is read": _call("os.popen", touch),
        "exec": _call("builtins.exec", code),
        "eval": _call("builtins.eval", code),
        "a file that is written": _call("builtins.open", str(mark), "w"),
        "a file of io": _call("io.open", str(mark), "w"),
        "a file of a path": _call("pathlib.Path.touch", _call("pathlib.Path", str(mark))),
        "a pickle": _call("pickle.loads", pickled),
        "a pickle of pandas": _call("pandas.read_pickle", stream),
        "a pickle in a file": _call("pandas.read_pickle", str(folder / "evil.pkl")),
        "a pickle of torch": _call("torch.load", str(folder / "evil.pt"), weights_only=False),
        "a pickle of numpy": _call("numpy.load", str(folder / "evil.npy"), allow_pickle=True),
        "a pickle of cloudpickle": _call("cloudpickle.loads", pickled),
        "a pickle of joblib": _call("joblib.load", str(folder / "evil.pkl")),
        "a hub": _call("torch.hub.load", str(folder), "net", source="local", trust_repo=True),
        "a script": _call("runpy.run_path", str(folder / "evil.py")),
        "a loader of code": _call(
            "importlib.machinery.SourceFileLoader.load_module",
            _call("importlib.machinery.SourceFileLoader", "evil", str(folder / "evil.py")),
        ),
        "an object of YAML": _call("yaml.unsafe_load", f"!!python/object/apply:os.system ['{touch}']"),
        "a method of Hydra": _call("hydra.utils.call", {"_target_": "os.system", "command": touch}),
        "a method by its name": _call("hydra._internal.utils._locate", "os.system") | _call("os.system", touch),
        "an import of ours": _call("pdtrain.training.models.torch.load", str(folder / "evil.pt"), weights_only=False),
        "another function of ours": _call("pdtrain.training.checkpoints.torch.os.system", touch),
        "a copy": _call("shutil.copyfile", str(folder / "evil.py"), str(mark)),
        "a file of fsspec": _call("fsspec.core.OpenFile.open", _call("fsspec.open", str(mark), "w")),
        "what is built for nothing": _call("torch.nn.Sequential", _call("builtins.open", str(mark), "w")),
    }


def _other_gadgets() -> dict[str, dict[str, Any]]:
    """Nodes that are wrong without a file to show it: what is offered elsewhere, and what is none."""
    return (
        {
            "a trainer": _call("pytorch_lightning.Trainer"),
            "a data set for a network": _call("torchvision.datasets.FakeData"),
            "timm's other road": _call("timm.create_model", "resnet18", checkpoint_path="evil.pt"),
            "many files": _call("fsspec.open_files", ["x"], mode="w"),
            "no text": {"_target_": ["os.system"]},
            "our shell": _call("pdtrain.commands.shell.end", "x", "y"),
        }
        | {target: _call(target, "x") for target in _DANGEROUS}
        | {repr(target): {"_target_": target} for target in _NONE}
    )


# functions that run, write, remove or fetch what they are told, and roads to them
_DANGEROUS = [
    "os.execv", "os.remove", "os.rename", "os.symlink", "os.posix_spawn", "posix.system", "pty.spawn", "shutil.rmtree",
    "subprocess.check_output", "subprocess.getoutput", "multiprocessing.popen_fork.Popen",
    "asyncio.create_subprocess_shell",
    "builtins.__import__", "builtins.compile", "builtins.getattr", "builtins.breakpoint", "importlib.import_module",
    "importlib.reload", "code.interact", "pdb.run", "timeit.timeit", "cProfile.run", "trace.Trace.run",
    "types.FunctionType",
    "pickle.load", "pickle.Unpickler", "_pickle.loads", "shelve.open", "marshal.loads", "copyreg.__newobj__",
    "dill.loads",
    "ctypes.CDLL", "socket.create_connection", "urllib.request.urlretrieve", "webbrowser.open", "http.server.test",
    "sqlite3.connect", "zipfile.ZipFile.extractall", "tarfile.open", "logging.config.dictConfig", "atexit.register",
    "operator.methodcaller", "functools.partial", "functools.reduce", "builtins.map", "string.Formatter.format",
    "hydra.utils.get_method", "hydra.utils.get_class", "hydra.utils.get_object", "hydra.utils.instantiate",
    "hydra.utils.get_static_method", "hydra._internal.utils._locate", "omegaconf.OmegaConf.register_new_resolver",
    "omegaconf.OmegaConf.load", "yaml.load", "yaml.full_load", "numpy.fromfile", "numpy.lib.npyio.NpzFile",
    "pandas.read_sql", "pandas.eval", "pandas.io.common.get_handle", "scipy.io.loadmat",
    "sklearn.datasets.fetch_openml",
    "torch.jit.load", "torch.ops.load_library", "torch.classes.load_library", "torch.utils.cpp_extension.load",
    "torch.utils.model_zoo.load_url", "torch.hub.download_url_to_file", "torch.package.PackageImporter",
    "torch.nn.functional.relu", "torch.nn.modules.module.torch.load", "torch.nn.Module.load_state_dict",
    "torch.save", "torch.compile", "torch._dynamo.optimize", "torch.distributed.init_process_group",
    "torchvision.datasets.FakeData", "torchvision.datasets.DatasetFolder", "torchvision.datasets.utils.extract_archive",
    "timm.models.load_checkpoint", "pytorch_lightning.LightningModule.load_from_checkpoint", "wandb.init",
    "pdtrain.files.written_whole", "pdtrain.files.remove_leftovers", "pdtrain.commands.train.train",
    "pdtrain.commands.stored_targets.importlib.import_module", "pdtrain.training.image_sets.gzip.open",
    "pdtrain.training.image_sets.torchvision.datasets.FakeData", "pdtrain.training.checkpoints.read_checkpoint",
    "pdtrain.training.models.small_vgg.__globals__", "pdtrain.training.models.small_vgg.__call__",
    "pdtrain.training.models.SMALL_VGG", "__main__.x", "evil.run", "",
    " pdtrain.training.models.small_vgg", "pdtrain.training.models.small_vgg ", "pdtrain.training.models..small_vgg",
    "pdtrain.training.models:small_vgg", "pdtrain/training/models.py", "pdtrain.training.models.small_vgg\n",
    "os.system\0",
]  # fmt: skip
_NONE: list[Any] = [None, 1, True, 1.5, [], {}, ["pdtrain.training.models.small_vgg"], {"_target_": "os.system"}]


def _placed(config: DictConfig, place: str, gadget: dict[str, Any]) -> DictConfig:
    changed = config.copy()
    OmegaConf.set_struct(changed, False)
    if place == "by interpolation":
        changed.data.root = gadget["_target_"]
        changed.model.network = gadget | {"_target_": "${data.root}"}
    elif place == "in a list":
        changed.data.transformations.size = [gadget, 0.85]
    elif place == "in an argument":
        changed.model.network.act_layer = {"deeper": {"still": gadget}}
    else:
        OmegaConf.update(changed, place, gadget, merge=False)
    return changed


_PLACES = ["data", "model.network", "stimuli", "probes.unit_information", "in a list", "in an argument"]


def _probe(run_dir: Path, *overrides: str) -> None:
    command = [f"run_dir={run_dir}", *overrides]
    with initialize_config_module("pdtrain.conf", version_base="1.3"):
        config = compose("probe", command)
    probe(config, command)


def _store(config: DictConfig, run_dir: Path) -> None:
    run_dir.mkdir(exist_ok=True)
    OmegaConf.save(config, run_dir / "run.yaml")


def test_no_gadget_in_a_stored_configuration_is_built(configure: Callable[..., DictConfig], tmp_path: Path) -> None:
    mark, config = tmp_path / "mark", configure()
    gadgets = _working_gadgets(tmp_path, mark) | _other_gadgets()
    assert len(gadgets) >= 60

    # one a place through the whole command; all of them in all places below
    for place, (name, gadget) in zip([*_PLACES, "by interpolation"], gadgets.items(), strict=False):
        _store(_placed(config, place, gadget), tmp_path / "run")
        with pytest.raises(InputError, match="_target_"):
            _probe(tmp_path / "run")
        assert not mark.exists(), (name, place)


def test_every_gadget_is_refused_in_every_place(configure: Callable[..., DictConfig], tmp_path: Path) -> None:
    config = configure()
    gadgets = _working_gadgets(tmp_path, tmp_path / "mark") | _other_gadgets()
    for gadget in gadgets.values():
        for place in _PLACES:
            placed = _placed(config, place, gadget)
            groups = {name: OmegaConf.to_container(placed[name]) for name in ("data", "model", "stimuli", "probes")}
            with pytest.raises(InputError, match="_target_"):
                check_targets(groups)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_the_gadgets_do_what_they_are_refused_for(tmp_path: Path) -> None:
    mark, worked = tmp_path / "mark", []
    for name, gadget in _working_gadgets(tmp_path, mark).items():
        try:
            instantiate(OmegaConf.create(gadget))
        except InstantiationException as error:  # newer versions of Hydra refuse the best known ones too
            if "Error in call" not in str(error):
                continue
        deadline = time.monotonic() + 5
        while not mark.exists() and time.monotonic() < deadline:  # a process takes a moment
            time.sleep(0.02)
        assert mark.exists(), name
        mark.unlink()
        worked.append(name)
    assert worked
    gc.collect()  # files that were left open close here


def test_what_is_offered_is_built() -> None:
    """Layers may be arguments of networks, and every ready-made choice of the groups is offered."""
    relu = {"_target_": "torch.nn.ReLU", "_partial_": True}
    network = {"_target_": "pdtrain.training.models.torchvision_model", "act": relu, "deep": [{"norm": relu}]}
    check_targets({"model": {"network": network}})
    for group in ("data", "model", "stimuli", "probes"):
        for choice in Path(__file__).parents[2].joinpath("conf", group).glob("*.yaml"):
            if choice.stem == "custom":  # whose target is the user's
                continue
            check_targets({group: OmegaConf.to_container(OmegaConf.load(choice))})


def test_modules_of_ones_own_are_built_where_they_are_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "networks_of_mine.py").write_text("import os\nfrom pathlib import Path\ndef net(): pass\n")
    monkeypatch.syspath_prepend(tmp_path)

    def check(target: str, *trust: str) -> None:
        check_targets({"model": {"network": {"_target_": target}}}, trust=trust)

    with pytest.raises(InputError, match=r"'trust=\[networks_of_mine\]'"):
        check("networks_of_mine.net")
    assert "networks_of_mine" not in sys.modules, "nothing is imported to find out"
    check("networks_of_mine.net", "networks_of_mine")
    for target in ("networks_of_mine.os.system", "networks_of_mine.Path", "networks_of_mine.net.__call__"):
        with pytest.raises(InputError, match="_target_"):
            check(target, "networks_of_mine")
    with pytest.raises(InputError, match="a part of Python itself"):
        check("os.system", "os")


# what is trusted, and what would then be built
_MISUSED: list[tuple[Any, str]] = [
    ("os", "os.system"), ("posix", "posix.system"), ("builtins", "builtins.eval"), ("subprocess", "subprocess.run"),
    ("importlib", "importlib.import_module"), ("runpy", "runpy.run_path"), ("pickle", "pickle.loads"),
    ("os.path", "os.path.os.system"), ("torch", "torch.load"), ("torch.serialization", "torch.serialization.load"),
    ("torch.hub", "torch.hub.load"), ("numpy", "numpy.load"), ("pandas", "pandas.read_pickle"), ("yaml",
    "yaml.unsafe_load"),
    ("pandas.io.pickle", "pandas.io.pickle.read_pickle"), ("joblib", "joblib.load"), ("cloudpickle",
    "cloudpickle.loads"),
    ("hydra", "hydra.utils.call"), ("hydra.utils", "hydra.utils.get_method"), ("omegaconf", "omegaconf.OmegaConf.load"),
    ("pytorch_lightning", "pytorch_lightning.Trainer"), ("torchvision", "torchvision.datasets.FakeData"),
    ("pdtrain", "pdtrain.commands.train.train"), ("timm", "timm.create_model"), ("fsspec", "fsspec.open"),
    ("", "os.system"), (".", "os.system"), ("*", "os.system"), ("o", "os.system"), ("os.", "os.system"),
    (".os", "os.system"), ("../x", "os.system"), ("a b", "os.system"), ("os\n", "os.system"), ("/tmp/evil.py",
    "evil.run"),
    (None, "os.system"), (1, "os.system"), (True, "os.system"), (["os"], "os.system"), ("{}", "os.system"),
]  # fmt: skip


@pytest.mark.parametrize(("trust", "target"), _MISUSED)
def test_trust_is_for_modules_of_ones_own(trust: Any, target: str) -> None:
    with pytest.raises(InputError, match=r"^(trust=|model\.network\._target_=)") as refused:
        check_targets({"model": {"network": {"_target_": target}}}, trust=[trust])

    if trust != "o":  # a name that there might be
        assert str(refused.value).startswith("trust=")


def test_what_the_command_gives_is_the_users_own(configure: Callable[..., DictConfig]) -> None:
    groups = {"model": OmegaConf.to_container(_placed(configure(), "model.network", _call("mine.net")).model)}

    check_targets(groups, own={"model.network": "mine.net"})
    for own in ({"model.network": "mine.other"}, {"model": "mine.net"}, {"model.network.name": "mine.net"}):
        with pytest.raises(InputError, match="mine"):
            check_targets(groups, own=own)


_EVIL = {"_target_": "pandas.read_pickle", "filepath_or_buffer": "evil.pkl"}


@pytest.mark.parametrize(
    ("place", "value", "overrides"),
    [
        ("stimuli.seed", r"\${oc.create:{_target_: pandas.read_pickle, filepath_or_buffer: evil.pkl}}", []),
        ("stimuli.seed", "${oc.create:{_target_: pandas.read_pickle, filepath_or_buffer: evil.pkl}}", []),
        ("probes.note", "${oc.env:HOME}", []),
        ("data.name", "${oc.decode:${paths.data}}", []),
        ("paths.data", _EVIL, ["data=cifar10"]),
        ("seed", _EVIL, ["data=cifar10"]),
        ("data.root.x", _EVIL, ["data.root=somewhere"]),
        ("probes.object_information.x", _EVIL, ["probes.object_information=null"]),
        ("model.network", _EVIL, ["model.network.widths=[4]"]),
        ("model.network", _EVIL | {"_target_": "${paths.data}"}, ["paths.data=pandas.read_pickle"]),
    ],
)
def test_no_way_round_the_check(
    place: str, value: object, overrides: list[str], configure: Callable[..., DictConfig], tmp_path: Path
) -> None:
    (tmp_path / "evil.pkl").write_bytes(pickle.dumps(_Touch(tmp_path / "mark")))
    stored = OmegaConf.to_container(configure())
    assert isinstance(stored, dict)
    node, parts = stored, place.split(".")
    dotted = parts[-1] == "x"  # one name with a point in it, beside the user's
    for part in parts[: -2 if dotted else -1]:
        node = node[part]
    node[".".join(parts[-2:]) if dotted else parts[-1]] = value
    (tmp_path / "run").mkdir()
    text = yaml.safe_dump(stored).replace("evil.pkl", str(tmp_path / "evil.pkl"))
    (tmp_path / "run" / "run.yaml").write_text(text)

    with pytest.raises(InputError):
        _probe(tmp_path / "run", *overrides)

    assert not (tmp_path / "mark").exists()


_LAUGHS = "l0: &l0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"l{place}: &l{place} [{', '.join([f'*l{place - 1}'] * 9)}]\n" for place in range(1, 12)
)
_YAML = [
    "x: !!python/object/apply:os.system ['touch MARK']", "x: !!python/object/new:os.system ['touch MARK']",
    "x: !!python/object/apply:builtins.exec [\"open('MARK', 'w')\"]", "x: !!python/name:os.system",
    "x: !!python/module:os",
    "x: !!python/object:pathlib.Path {}", "x: !!python/tuple [1, 2]", "x: !!python/bytes aGk=",
    "x: !<tag:yaml.org,2002:python/none>",
    "x: !own 1", "!!python/object/apply:os.system ['touch MARK']: 1", "%TAG !p! tag:yaml.org,2002:python/\n--- 1",
    "x: !!set {a, b}", "x: &a [*a]", "x: &a {b: *a}", "x: &a {y: 1}\nz: {<<: *a}", "x: *nowhere", _LAUGHS,
    "x: " + "[" * 3000 + "]" * 3000, "x: " + "{a: " * 2000 + "1" + "}" * 2000, "---\nx: 1", "? [a]\n: 1", "null: 1",
    "seed: 1", "x: [1", "x: \0", "x: ${", "x: '${'", "\tx: 1", "x: \ud83d",
]  # fmt: skip
_CHAIN = {f"a{place}": f"${{data.a{place + 1}}}${{data.a{place + 1}}}" for place in range(40)} | {"a40": "x"}
_TREE: dict[str, Any] = {
    f"a{place}": {"one": f"${{data.a{place + 1}}}", "other": f"${{data.a{place + 1}}}"} for place in range(40)
} | {"a40": "x"}
_REFERENCES: list[dict[str, Any]] = [
    {"data": _CHAIN}, {"data": _TREE}, {"data": {"seed": "${data.seed}"}}, {"data": {"seed": "${data}"}},
    {"data": {"seed": "${data.x}", "x": "${data.seed}"}}, {"data": {"seed": "${nowhere}"}},
    {"data": {"seed": "${model}"}},
    {"data": {"seed": "${..seed}"}}, {"data": {"seed": "${data[pixels]}"}}, {"data": {"seed": "${data.${seed}}"}},
    {"data": {"seed": "${oc.env:HOME}"}}, {"data": {"seed": "${oc.env:HOME,${seed}}"}},
    {"data": {"seed": "${oc.decode:'1'}"}},
    {"data": {"seed": "${oc.select:seed}"}}, {"data": {"seed": "${hydra:runtime.cwd}"}},
    {"data": {"seed": "${now:%Y}"}},
    {"data": {"seed": "${oc.dict.values:model}"}}, {"data": {"seed": "${python_version:}"}},
    {"data": {"seed": "x${oc.env:HOME}"}},
    {"data": {"seed": "\\${seed}"}}, {"data": {"seed": "\\\\${oc.env:HOME}"}}, {"data": {"${oc.env:HOME}": 1}},
    {"data": None}, {"data": []}, {"data": "x"}, {"data": 1}, {"model": None}, {"model": ["x"]}, {"stimuli": None},
    {"layers": "x"}, {"layers": [1]}, {"probes": [1]}, {"paths": [1]}, {"paths": {"data": {"a": 1}}}, {"seed": [1]},
]  # fmt: skip


def test_no_yaml_and_no_reference_of_a_stored_configuration_runs_or_grows(
    configure: Callable[..., DictConfig], tmp_path: Path
) -> None:
    config, run_dir, mark = configure(), tmp_path / "run", tmp_path / "mark"
    plain = OmegaConf.to_container(config)
    assert isinstance(plain, dict)
    texts = [f"{OmegaConf.to_yaml(config)}\n{text}\n".replace("MARK", str(mark)) for text in _YAML]
    for changes in _REFERENCES:
        changed = {**plain, **{group: node for group, node in changes.items() if not isinstance(node, dict)}}
        changed |= {group: {**plain[group], **node} for group, node in changes.items() if isinstance(node, dict)}
        texts.append(yaml.safe_dump(changed))
    run_dir.mkdir()
    for text in texts:
        (run_dir / "run.yaml").write_bytes(text.encode("utf-8", "surrogatepass"))
        before = time.monotonic()

        with pytest.raises(InputError) as refused:
            _probe(run_dir)

        assert "\n" not in str(refused.value) and "no such checkpoint" not in str(refused.value), text[-200:]
        assert time.monotonic() - before < 60
    assert not mark.exists() and [path.name for path in run_dir.iterdir()] == ["run.yaml"]


@pytest.mark.parametrize(
    "name",
    [
        "FakeData",
        "ImageFolder",
        "DatasetFolder",
        "ImageNet",
        "SBDataset",
        "QMNIST",
        "utils",
        "mnist",
        "__doc__",
        "",
        "MNIST ",
        "os",
    ],
)
def test_no_other_data_set_of_torchvision_is_built(
    name: str, configure: Callable[..., DictConfig], tmp_path: Path
) -> None:
    config = configure("data=cifar10", tiny=[])
    config.data.name = name
    _store(config, tmp_path / "run")

    with pytest.raises(InputError, match=r"^data\.name=.*no such data set"):
        _probe(tmp_path / "run")


def test_only_checkpoints_of_the_run_are_ever_removed(tmp_path: Path) -> None:
    own, other = tmp_path / "run" / "checkpoints", tmp_path / "other" / "checkpoints"
    for folder in (own, other):
        folder.mkdir(parents=True)
        (folder / "best.ckpt").write_bytes(b"")
    io = WholeCheckpointIO(own)

    for path in (own / "best.ckpt", other / "best.ckpt", other, f"local://{other}", own / ".." / ".." / "other"):
        io.remove_checkpoint(path)

    assert not (own / "best.ckpt").exists() and (other / "best.ckpt").exists()


def test_timm_takes_weights_by_one_road_alone() -> None:
    for option in ("checkpoint_path", "pretrained_cfg", "pretrained_cfg_overlay", "pretrained", "cache_dir"):
        with pytest.raises(InputError, match=option):
            timm_model(2, 3, name="resnet18", **{option: "evil.pt"})
