"""Tables of recorded neurons as they come: every fault is one line that names it, and all else is read as written."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from pdtrain.errors import InputError
from pdtrain.probes.dimension_probe import DimensionProbe
from pdtrain.probes.information_probe import InformationProbe
from pdtrain.responses.areas import measure_areas
from pdtrain.responses.table import NeuralResponses, read_responses, read_stimuli
from pdtrain.stimuli.stimulus_set import StimulusSet

_GOOD = "neuron,area,trial,000,001\n1,V1,1,0.5,-2\n1,V1,2,1.5,3\n1,IT,1,4,5\n1,IT,2,6,7\n"
_PLAIN = "neuron,area,000,001\n1,V1,1,2\n2,V1,3,4\n"

# of responses: the text of a CSV file, and what the line must say
_REFUSED = {
    "empty": ("", "damaged, or no such table"),
    "blank lines": ("\n\n", "damaged, or no such table"),
    "header alone": ("neuron,area,000\n", "holds no responses"),
    "no stimuli": ("neuron,area\n1,V1\n", "has no stimuli"),
    "no neuron": ("area,000\nV1,1\n", "has no column neuron"),
    "no area": ("neuron,000\n1,1\n", "has no column area"),
    "other case": ("Neuron,Area,000\n1,V1,1\n", "has no column neuron"),
    "semicolons": (_PLAIN.replace(",", ";"), "has no column neuron; .* between commas"),
    "tabs": (_PLAIN.replace(",", "\t"), "has no column neuron; .* between commas"),
    "bars": (_PLAIN.replace(",", "|"), "has no column neuron"),
    "spaces": (_PLAIN.replace(",", " "), "has no column neuron"),
    "an index": (",neuron,area,000\n0,1,V1,1\n", "column 1 has no name"),
    "an index without a name": ("neuron,area,000\n0,1,V1,1\n1,2,V1,2\n", "hold more values than it has columns"),
    "a longer line": ("neuron,area,000\n1,V1,1\n2,V1,2,3\n", "damaged, or no such table"),
    "a shorter line": ("neuron,area,000,001\n1,V1,1\n", "missing or no finite numbers"),
    "a quote that is not closed": ('neuron,area,000\n"1,V1,1\n2,V1,2\n', "damaged|holds no responses|has no area"),
    "stimulus twice": ("neuron,area,000,000\n1,V1,1,2\n", "column 000 is there twice"),
    "stimulus twice but for spaces": ("neuron,area,000, 000\n1,V1,1,2\n", "column 000 is there twice"),
    "neuron twice as a column": ("neuron,neuron,area,000\n1,1,V1,1\n", "column neuron is there twice"),
    "stimulus without a name": ("neuron,area,000,\n1,V1,1,2\n", "column 4 has no name"),
    "neuron twice": ("neuron,area,000\n1,V1,1\n1,V1,2\n", "neuron 1 of area V1 is there twice.*column trial"),
    "neuron twice but for spaces": ("neuron,area,000\n1,V1,1\n1 ,V1,2\n", "neuron 1 of area V1 is there twice"),
    "trial twice": ("neuron,area,trial,000\n1,V1,1,1\n1,V1,1,2\n", "trial 1 of neuron 1 of area V1 is there twice"),
    "fewer trials": (_GOOD.replace("1,IT,2,6,7\n", ""), "from 1 to 2 trials"),
    **{
        f"{column} {word or 'empty'!r}": (
            ",".join(["neuron", "area", "trial", "000"]) + "\n" + ",".join(
                [word if name == column else "1" for name in ("neuron", "area", "trial")] + ["5"]
            ) + "\n2,V1,1,6\n",
            f"line 1 has no {column}",
        )
        for column in ("neuron", "area", "trial")
        for word in ("", "  ", "NaN", "nan", "NA", "N/A", "None", "null", "<NA>")
    },
    **{
        f"response {word!r}": (f"neuron,area,000,001\n1,V1,1,{word}\n", "missing or no finite numbers.*stimulus 001")
        for word in ("", "nan", "NA", "inf", "-inf", "1e999", "-1e999", "None", "null")
    },
    **{
        f"response {word!r} is no number": (f"neuron,area,000,001\n1,V1,1,{word}\n", "column 001 holds no numbers")
        for word in (
            "many", '"1,5"', "1.5.2", "1+2j", "True", "FALSE", "0x10", "1_000", "#DIV/0!", "--", "5 spikes", "=1+1",
            "½", "2020-01-01", "12:30", "[1]", "1e", "$5", "10%", "\u00a0x", "\u2212x",
        )
    },
}  # fmt: skip


@pytest.mark.parametrize(("content", "said"), _REFUSED.values(), ids=list(_REFUSED))
def test_tables_of_responses_that_are_refused(content: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "responses.csv"
    path.write_text(content, encoding="utf-8")

    with pytest.raises(InputError, match=rf"^responses={path}: .*({said})") as caught:
        read_responses(path)

    assert "\n" not in str(caught.value)


_BYTES = {
    "UTF-16": _PLAIN.encode("utf-16"),
    "Latin-1": _PLAIN.replace("V1", "Aé").encode("latin-1"),
    "zeros": bytes(1000),
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
    "gzip": b"\x1f\x8b\x08\x00" + bytes(40),
    "Parquet": b"PAR1" + bytes(40) + b"PAR1",
}


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npz"])
@pytest.mark.parametrize("content", _BYTES.values(), ids=list(_BYTES))
def test_bytes_that_are_no_table(content: bytes, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"responses{suffix}"
    path.write_bytes(content)

    with pytest.raises(InputError, match=rf"^responses={path}: "):
        read_responses(path)
    with pytest.raises(InputError, match=rf"^stimuli_table={path}: "):
        read_stimuli(path, ("000",))


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npz", ".tsv", ".xlsx", ""])
def test_a_folder_or_nothing_is_no_table(suffix: str, tmp_path: Path) -> None:
    (tmp_path / f"folder{suffix}").mkdir()
    for name in (f"folder{suffix}", f"nothing{suffix}"):
        with pytest.raises(InputError, match=r"no such file|give a \.csv"):
            read_responses(tmp_path / name)


# as `_PLAIN` says it, in other words
_SAME = {
    "BOM": ("\ufeff" + _PLAIN).encode(),
    "CRLF": _PLAIN.replace("\n", "\r\n").encode(),
    "CR": _PLAIN.replace("\n", "\r").encode(),
    "no end of line": _PLAIN.strip().encode(),
    "blank lines": _PLAIN.replace("\n", "\n\n").encode(),
    "quotes": _PLAIN.replace("V1", '"V1"').replace("000", '"000"').encode(),
    "spaces": _PLAIN.replace(",", ", ").encode(),
    "spaces before commas": _PLAIN.replace(",", " ,").encode(),
    "plus signs and points": _PLAIN.replace("1,2\n", "+1.,2.0e0\n").encode(),
    "a comma at the end of each line": b"neuron,area,000,001\n1,V1,1,2,\n2,V1,3,4,\n",
    "other order of columns": b"000,area,001,neuron\n1,V1,2,1\n3,V1,4,2\n",
}


@pytest.mark.parametrize("content", _SAME.values(), ids=list(_SAME))
def test_other_ways_to_write_the_same_table(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "responses.csv"
    path.write_bytes(content)

    found = read_responses(path)

    assert found.responses.tolist() == [[[1.0, 2.0]], [[3.0, 4.0]]]
    assert (found.areas, found.stimuli) == (("V1", "V1"), ("000", "001"))


def test_ids_begin_anew_in_each_area_and_trials_are_matched_by_name(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(_GOOD)
    lines = _GOOD.splitlines()
    (tmp_path / "b.csv").write_text("\n".join([lines[0], lines[1], lines[4], lines[2], lines[3]]))

    for name in ("a.csv", "b.csv"):
        found = read_responses(tmp_path / name)

        assert dict(zip(found.areas, found.responses.tolist(), strict=True)) == {
            "V1": [[0.5, -2.0], [1.5, 3.0]],
            "IT": [[4.0, 5.0], [6.0, 7.0]],
        }


_NUMBER_NAMES = [f"{i:03d}" for i in range(120)]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_names_keep_their_zeros(suffix: str, tmp_path: Path) -> None:
    names = _NUMBER_NAMES
    table = pd.DataFrame([range(120)], columns=names).assign(neuron="007", area="017")
    stimuli = pd.DataFrame({"stimulus": names[::-1], "identity": ["01", "1"] * 60, "size": range(119, -1, -1)})
    for frame, name in ((table, "responses"), (stimuli, "stimuli")):
        path = tmp_path / f"{name}{suffix}"
        frame.to_csv(path, index=False) if suffix == ".csv" else frame.to_parquet(path)

    found = read_responses(tmp_path / f"responses{suffix}")
    known = read_stimuli(tmp_path / f"stimuli{suffix}", found.stimuli)

    assert found.stimuli == tuple(names) and found.areas == ("017",)
    assert known.parameters["size"].tolist() == list(range(120))
    assert known.labels.tolist() == [1, 0] * 60, "01 is not 1"


def _saved(path: Path, **arrays: object) -> None:
    np.savez(path, **{name: np.asarray(array) for name, array in arrays.items()})


_FINE = {"responses": np.ones((2, 3)), "areas": ["V1", "IT"], "stimuli": ["a", "b", "c"]}
_ARRAYS = {
    "complex": ({"responses": np.ones((2, 3)) * 1j}, "responses are complex128, which are no real numbers"),
    "complex of float32": ({"responses": np.ones((2, 3), np.complex64)}, "complex64"),
    "bool": ({"responses": np.ones((2, 3), bool)}, "responses are bool"),
    "text": ({"responses": [["1", "2", "3"]] * 2}, "no real numbers"),
    "bytes": ({"responses": np.full((2, 3), b"1")}, "no real numbers"),
    "dates": ({"responses": np.zeros((2, 3), "datetime64[s]")}, "no real numbers"),
    "durations": ({"responses": np.zeros((2, 3), "timedelta64[s]")}, "no real numbers"),
    "records": ({"responses": np.zeros((2, 3), [("x", float)])}, "no real numbers"),
    "objects": ({"responses": np.ones((2, 3), object)}, "holds objects"),
    "areas of objects": ({"areas": np.array(["V1", None], object)}, "holds objects"),
    "a single number": ({"responses": 5.0}, "do not fit"),
    "a vector": ({"responses": np.ones(3)}, "do not fit"),
    "four dimensions": ({"responses": np.ones((2, 1, 1, 3))}, "do not fit"),
    "turned round": ({"responses": np.ones((3, 2))}, r"shape \(3, 1, 2\) do not fit"),
    "one area for all": ({"areas": "V1"}, r"areas of shape \(\)"),
    "too few areas": ({"areas": ["V1"]}, r"areas of shape \(1,\)"),
    "areas in a table": ({"areas": [["V1", "x"], ["IT", "y"]]}, "do not fit"),
    "one stimulus for all": ({"stimuli": "a"}, "do not fit"),
    "too few stimuli": ({"stimuli": ["a", "b"]}, "do not fit"),
    "stimulus twice": ({"stimuli": ["a", "b", "a"]}, "stimulus a is there twice"),
    "stimulus twice but for spaces": ({"stimuli": ["a", "b", "a "]}, "stimulus a is there twice"),
    "stimulus without a name": ({"stimuli": ["a", "", "c"]}, "stimulus 2 has no name"),
    "stimulus NaN": ({"stimuli": [0.0, np.nan, 2.0]}, "stimulus 2 has no name"),
    "area without a name": ({"areas": ["V1", ""]}, "neuron 2 has no area"),
    "area NaN": ({"areas": [1.0, np.nan]}, "neuron 2 has no area"),
    "area that says nan": ({"areas": ["nan", "V1"]}, "neuron 1 has no area"),
    "areas true and false": ({"areas": [True, False]}, "areas are bool"),
    "complex stimuli": ({"stimuli": [1j, 2j, 3j]}, "stimuli are complex128"),
    "NaN": ({"responses": [[1, np.nan, 3]] * 2}, "missing or no finite numbers .2, the first at stimulus b"),
    "inf": ({"responses": [[1, 2, np.inf]] * 2}, "missing or no finite"),
    "no neurons": ({"responses": np.ones((0, 3)), "areas": np.array([], str)}, "holds no responses"),
    "no trials": ({"responses": np.ones((2, 0, 3))}, "holds no responses"),
    "no stimuli": ({"responses": np.ones((2, 0)), "stimuli": np.array([], str)}, "holds no responses"),
}


@pytest.mark.parametrize(("changes", "said"), _ARRAYS.values(), ids=list(_ARRAYS))
def test_arrays_that_are_refused(changes: dict, said: str, tmp_path: Path) -> None:
    path = tmp_path / "responses.npz"
    _saved(path, **{**_FINE, **changes})

    with pytest.raises(InputError, match=rf"^responses={path}: .*{said}"):
        read_responses(path)


@pytest.mark.parametrize("kind", ["u1", "i2", "i4", "u8", "f2", "f4", "f8", ">f8", "longdouble"])
def test_arrays_of_real_numbers_are_read_whatever_their_type(kind: str, tmp_path: Path) -> None:
    _saved(tmp_path / "r.npz", **{**_FINE, "responses": np.arange(6).reshape(2, 3).astype(kind)})

    assert read_responses(tmp_path / "r.npz").responses.tolist() == [[[0, 1, 2]], [[3, 4, 5]]]


@pytest.mark.parametrize("areas", [["V1", "IT"], np.array(["V1", "IT"], "S4"), [1, 2], [1.0, 2.0], [" V1", "IT "]])
def test_names_in_arrays_are_text(areas: object, tmp_path: Path) -> None:
    _saved(tmp_path / "r.npz", **{**_FINE, "areas": areas})

    assert read_responses(tmp_path / "r.npz").areas in {("V1", "IT"), ("1", "2"), ("1.0", "2.0")}


def _torn(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _flipped(content: bytes) -> bytes:
    place = content.index(b"responses.npy") + 160  # within the compressed numbers
    return content[:place] + bytes([content[place] ^ 255]) + content[place + 1 :]


def _array_alone(content: bytes) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ones((2, 3)))
    return buffer.getvalue()


def _other_zip(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("responses", "text")
    return buffer.getvalue()


def _texts_in_zip(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in ("responses", "areas", "stimuli"):
            archive.writestr(name, "text")
    return buffer.getvalue()


@pytest.mark.parametrize(
    "damage", [_torn, _flipped, _array_alone, _other_zip, _texts_in_zip, lambda c: b"", lambda c: c[:4]]
)
def test_damaged_archives(damage: Callable[[bytes], bytes], tmp_path: Path) -> None:
    path = tmp_path / "r.npz"
    arrays = {**_FINE, "responses": np.random.default_rng(0).random((2, 40, 3))}
    np.savez_compressed(path, **{name: np.asarray(array) for name, array in arrays.items()})
    path.write_bytes(damage(path.read_bytes()))

    with pytest.raises(InputError, match=rf"^responses={path}: "):
        read_responses(path)


_KNOWN = "stimulus,identity,luminance\n000,face,0.5\n001,house,0.7\n"
_STIMULI = {
    "empty": ("", "damaged"),
    "semicolons": (_KNOWN.replace(",", ";"), "has no column stimulus"),
    "no identity": ("stimulus,luminance\n000,1\n001,2\n", "has no column identity"),
    "a stimulus less": ("stimulus,identity\n000,face\n", "stimulus 001 is not in it"),
    "a stimulus twice": (_KNOWN + "000,face,0.5\n", "stimulus 000 is there twice"),
    "a stimulus without a name": (_KNOWN + ",face,0.5\n", "stimulus 3 has no name"),
    "names without zeros": (_KNOWN.replace("00", ""), "stimulus 000 is not in it .2 are missing"),
    "a column twice": ("stimulus,identity,luminance,luminance\n000,a,1,2\n001,b,1,2\n", "luminance is there twice"),
    "identity twice": ("stimulus,identity,identity\n000,a,1\n001,b,1\n", "column identity is there twice"),
    "more values": ("stimulus,identity,luminance\n000,a,1,5\n001,b,1,5\n", "more values than it has columns"),
    **{
        f"identity {word!r}": (_KNOWN.replace("house", word), "stimulus 001 has no identity .1 have none")
        for word in ("", " ", "NaN", "nan", "NA", "None", "null")
    },
    **{
        f"luminance {word!r}": (_KNOWN.replace("0.7", word), f"column luminance is {said} at stimulus 001")
        for word, said in {"": "missing", "nan": "missing", "NA": "missing", "inf": "infinite", "-inf": "infinite",
                           "1e999": "infinite"}.items()
    },
    **{
        f"luminance {word!r} is no number": (_KNOWN.replace("0.7", word), "column luminance holds no numbers")
        for word in ("bright", "1+2j", '"0,7"', "True", "0.7 cd", "=1")
    },
}  # fmt: skip


@pytest.mark.parametrize(("content", "said"), _STIMULI.values(), ids=list(_STIMULI))
def test_tables_of_stimuli_that_are_refused(content: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "stimuli.csv"
    path.write_text(content)

    with pytest.raises(InputError, match=rf"^stimuli_table={path}: .*{said}"):
        read_stimuli(path, ("000", "001"), asked=["luminance"])


@pytest.mark.parametrize("word", ["", "bright", "inf", "True"])
def test_what_is_not_asked_about_may_be_anything(word: str, tmp_path: Path) -> None:
    (tmp_path / "stimuli.csv").write_text(_KNOWN.replace("0.7", word))

    assert len(read_stimuli(tmp_path / "stimuli.csv", ("000", "001"), asked=["contrast"])) == 2


def test_a_direction_may_be_missing_and_the_row_says_so(tmp_path: Path) -> None:
    names = tuple(f"{i:02d}" for i in range(96))
    table = pd.DataFrame({"stimulus": names, "identity": ["a", "b"] * 48, "direction": np.arange(96.0) % 8 * 45})
    table.loc[:4, "direction"] = np.nan
    table.to_csv(tmp_path / "stimuli.csv", index=False)
    stimuli = read_stimuli(tmp_path / "stimuli.csv", names, circular={"direction": 360}, asked=["direction"])
    responses = torch.randn(5, 1, 96, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    found = measure_areas(NeuralResponses(responses, ("V1",) * 5, names), stimuli, [InformationProbe(["direction"])])

    assert {row.note.partition(";")[0] for row in found.rows if row.quantity == "mean"} == {"91 of 96 stimuli"}


@pytest.mark.parametrize("period", [0, -1, "360", "half", None, float("nan"), float("inf"), True, [360]])
def test_periods_that_are_refused(period: object, tmp_path: Path) -> None:
    (tmp_path / "stimuli.csv").write_text(_KNOWN)

    with pytest.raises(InputError, match=r"circular\.luminance="):
        read_stimuli(tmp_path / "stimuli.csv", ("000", "001"), circular={"luminance": period})  # type: ignore[dict-item]


@pytest.mark.parametrize("offset", [0.0, -3.0, 1e5, 1e9, -1e9, 1e12])
def test_an_offset_changes_no_number(offset: float, tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    latent = torch.randn(200, 3, generator=generator, dtype=torch.float64)
    responses = latent @ torch.randn(3, 12, generator=generator, dtype=torch.float64)
    names = [f"{i:03d}" for i in range(200)]

    def measured(offset: float) -> dict[tuple[str, str], float]:
        # whole numbers of 2^-10, which no offset rounds
        table = pd.DataFrame((responses.T * 1024).round().numpy() / 1024 + offset, columns=names)
        table.assign(neuron=range(12), area="V1").to_csv(tmp_path / "responses.csv", index=False)
        size = (latent[:, 0] * 1024).round().numpy() / 1024 + offset
        known = pd.DataFrame({"stimulus": names, "identity": [i % 4 for i in range(200)], "size": size})
        known.to_csv(tmp_path / "stimuli.csv", index=False)
        neural = read_responses(tmp_path / "responses.csv")
        stimuli = read_stimuli(tmp_path / "stimuli.csv", neural.stimuli, asked=["size"])
        rows = measure_areas(neural, stimuli, [DimensionProbe(resamplings=0), InformationProbe(["size"])], draws=1).rows
        return {(row.quantity, row.property): row.value for row in rows}

    found, expected = measured(offset), measured(0.0)

    assert 2.5 < expected["two_nn", ""] < 4 and expected["mean", "size"] > 0.3
    assert found == pytest.approx(expected, rel=1e-5, nan_ok=True)


@pytest.mark.parametrize("count", [1, 2, 19])
def test_few_stimuli_are_said(count: int) -> None:
    neural = NeuralResponses(torch.ones(5, 1, count), ("V1",) * 5, tuple(map(str, range(count))))
    stimuli = StimulusSet(torch.zeros(count, 1, 1, 1), torch.arange(count), number_key="responses")

    with pytest.raises(InputError, match=f"responses: {count} stimuli, and intrinsic dimension needs at least 20"):
        measure_areas(neural, stimuli, [DimensionProbe()])


@pytest.mark.parametrize("areas", [["V1", "V1"], ["V1", "IT", "V1"]])
def test_an_area_that_is_named_twice(areas: list[str]) -> None:
    neural = NeuralResponses(torch.ones(10, 1, 30), ("V1", "IT") * 5, tuple(map(str, range(30))))
    stimuli = StimulusSet(torch.zeros(30, 1, 1, 1), torch.arange(30))

    with pytest.raises(InputError, match="areas=V1: is there twice"):
        measure_areas(neural, stimuli, [DimensionProbe()], areas=areas)
