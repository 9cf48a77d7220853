"""A first contract: what it infers, that it runs as it is, and what it refuses to guess."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas as pd
import pytest
import yaml

from project.errors import ConfigError, ProjectError, Refused
from project.paths import ROOT
from tabular.checks import check_rows
from tabular.contract import Contract, load_contract
from tabular.contract_draft import draft_contract, write_draft
from tabular.reading import read_site

ROWS = 60
Column = Callable[[int], object]
NOISE = [i * 7919 % 1009 / 1009 for i in range(ROWS)]


def target_of(i: int) -> str:
    return ("no", "yes", "no")[i % 3]


def length_of(i: int) -> str:
    return f"{10 + 5 * NOISE[i]:.2f}"


def table(folder: Path, /, **columns: Column) -> Path:
    return written(folder, columns, ",")


def written(folder: Path, columns: Mapping[str, Column], delimiter: str) -> Path:
    path = folder / "My table 1.csv"
    lines = [delimiter.join(columns), *(delimiter.join(str(c(i)) for c in columns.values()) for i in range(ROWS))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def drafted(folder: Path, path: Path, target: str = "target", broken: Sequence[str] = ()) -> Contract:
    """The contract as the project loads it, after proof that its own rows pass its checks, `broken` left out."""
    draft = draft_contract(str(path), target)
    write_draft(draft, folder)
    contract = load_contract(draft.name, folder)
    report = check_rows(contract, read_site(contract, contract.training_site), contract.training_site)
    assert [str(violation) for violation in report.violations] == [*broken]
    return contract


def test_penguins(tmp_path: Path) -> None:
    path = ROOT / "data/raw/penguins/penguins.csv"
    telling = {"bill_depth_mm": 0.9835, "bill_length_mm": 0.9837, "flipper_length_mm": 0.9911}
    broken = [f"{name}: leakage, AUC of this column alone: {a}, allowed: 0.98 or less" for name, a in telling.items()]
    contract, ours = drafted(tmp_path, path, "species", broken), load_contract("penguins")
    assert (contract.name, contract.task, contract.reading.missing) == ("penguins", "multiclass", ["", "NA"])
    assert {c.label for c in contract.target.classes} == set(ours.target.labels)
    assert contract.sites["penguins"].path == "data/raw/penguins/penguins.csv"
    assert contract.sites["penguins"].sha256 == ours.sites["palmer"].sha256
    assert list(contract.features) == [*ours.features, "year"]
    for name in ("island", "sex"):
        assert contract.features[name].codes == ours.features[name].codes
    bill = contract.features["bill_length_mm"]
    assert (bill.type, bill.minimum, bill.maximum) == ("number", 18, 74)  # seen: 32.1 to 59.6
    (remark,) = draft_contract(str(path), "species").remarks
    assert remark.startswith("training will refuse bill_length_mm (AUC 0.984), bill_depth_mm (AUC 0.983), flipper_le")
    assert remark.endswith("or raise checks.maximum_single_feature_auc if they are known before the class is")


@pytest.mark.parametrize(
    ("column", "feature"),
    [
        pytest.param(length_of, {"type": "number", "minimum": 7.5, "maximum": 18}, id="number"),
        pytest.param(lambda i: -(i % 7), {"type": "integer", "minimum": -9, "maximum": 3}, id="integer below 0"),
        pytest.param(lambda i: i % 7, {"type": "integer", "minimum": 0, "maximum": 9}, id="integer"),
        pytest.param(lambda i: f"{i % 7}.0", {"type": "integer", "minimum": 0, "maximum": 9}, id="integer as decimal"),
        pytest.param(
            lambda i: 10**7 + 1000 * (i % 7), {"type": "integer", "minimum": 9900000, "maximum": 11000000}, id="large"
        ),
        pytest.param(
            lambda i: f"{1e-5 * NOISE[i]:.3e}", {"type": "number", "minimum": 0, "maximum": 1.5e-05}, id="small"
        ),
        pytest.param(lambda i: i % 2, {"type": "boolean"}, id="0 and 1"),
        pytest.param(lambda i: ("TRUE", "False", "")[i // 3 % 3], {"type": "boolean"}, id="true and false"),
        pytest.param(lambda i: "yYn"[i // 3 % 3], {"type": "boolean"}, id="a word in capitals and without"),
        pytest.param(
            lambda i: "tyn"[i // 3 % 3], {"type": "category", "values": ["n", "t", "y"]}, id="two words for yes"
        ),
        pytest.param(lambda i: "fn"[i // 3 % 2], {"type": "category", "values": ["f", "n"]}, id="two words for no"),
        pytest.param(
            lambda i: ("no", "on", "")[i // 3 % 3], {"type": "category", "values": ["no", "on"]}, id="words of YAML"
        ),
        pytest.param(
            lambda i: ("1a", "null ", "x: y")[i // 3 % 3],
            {"type": "category", "values": ["1a", "x: y"]},
            id="odd codes",
        ),
        pytest.param(
            lambda i: "unknown" if i == 5 else 1 + i % 20,
            {"type": "integer", "minimum": 0, "maximum": 30, "missing": ["unknown"]},
            id="a word among numbers",
        ),
        pytest.param(
            lambda i: -999 if i % 10 == 5 else 20 + i % 9,
            {"type": "integer", "minimum": 16, "maximum": 32, "missing": [-999]},
            id="a number that means nothing was measured",
        ),
        pytest.param(
            lambda i: ("-999", "refused")[i % 20 // 10] if i % 10 == 5 else f"{20 + 9 * NOISE[i]:.2f}",
            {"type": "number", "minimum": 15, "maximum": 34, "missing": ["refused", -999]},
            id="a word and a number that do",
        ),
        pytest.param(
            lambda i: "inf" if i == 5 else f"{1 + 9 * NOISE[i]:.2f}",
            {"type": "number", "minimum": 0, "maximum": 15, "missing": ["inf"]},
            id="infinity",
        ),
        pytest.param(
            lambda i: 10**18 + 7 * i * i, {"type": "number", "minimum": 9.9e17, "maximum": 1.1e18}, id="beyond integers"
        ),
        pytest.param(
            lambda i: "1e308" if i == 5 else 1 + i % 20,
            {"type": "integer", "minimum": 0, "maximum": 30, "missing": ["1e308"]},
            id="beyond what a model takes",
        ),
        pytest.param(
            lambda i: f"{i % 4}_000",
            {"type": "category", "values": [f"{i}_000" for i in range(4)]},
            id="a number to Python alone",
        ),
        pytest.param(
            lambda i: f"Zoë {i % 4}", {"type": "category", "values": [f"Zoë {i}" for i in range(4)]}, id="text"
        ),
    ],
)
def test_a_column_is_read_as_what_it_is(tmp_path: Path, column: Column, feature: dict[str, object]) -> None:
    contract = drafted(tmp_path, table(tmp_path, x=column, length=length_of, target=target_of))
    assert contract.features["x"].model_dump(exclude_defaults=True) == feature


@pytest.mark.parametrize(
    ("name", "column", "reason"),
    [
        pytest.param("id", lambda i: 7 * i, "looks like an identifier", id="numbers under a telling name"),
        pytest.param("x", lambda i: i + 100, "looks like an identifier", id="numbers one after the other"),
        pytest.param("x", lambda i: f"P-{i}", "60 different texts, looks like an identifier", id="text"),
        pytest.param("x", lambda _: "same", "the same value 'same' in every row", id="constant"),
        pytest.param("x", lambda i: i if i < 20 else "", "missing in 67% of the rows", id="mostly missing"),
        pytest.param("x", lambda _: "", "missing in 100% of the rows", id="empty"),
        pytest.param(
            "x", lambda i: i % 9 if i % 3 == 0 else 999, "missing in 67% of the rows, 999 included", id="mostly a code"
        ),
        pytest.param(
            "x",
            lambda i: i if i % 3 == 0 else "low",
            "missing in 67% of the rows, low included",
            id="mostly a word among numbers",
        ),
        pytest.param("n" * 201, length_of, "its name has 201 letters, at most 200", id="a long name"),
        pytest.param("x", lambda i: f"{i}e300", "60 different texts", id="all beyond what a model takes"),
        pytest.param("x\\y", length_of, "its name has a quotation mark, a backslash", id="a name no request can have"),
        pytest.param("_x", length_of, "names that begin with _ are taken", id="a name of ours"),
        pytest.param(
            "x", lambda i: f'"{i},5"', "its numbers are written as '0,5': a point before", id="a decimal comma"
        ),
        pytest.param("x", lambda i: f'"{i % 9},5"', "are written as '0,5'", id="few numbers with a decimal comma"),
        pytest.param("x", lambda i: f'"{i + 1},{100 + i}"', "are written as '1,100'", id="commas between thousands"),
        pytest.param("x", lambda i: f"1.{100 + i}.000", "are written as '1.100.000'", id="points between thousands"),
        pytest.param("x", lambda i: f"2024-0{1 + i % 9}-11", "dates or times, such as '2024-01-11'", id="few dates"),
        pytest.param("x", lambda i: f"{1 + i % 28}.3.2024 10:00", "dates or times, such as '1.3.20", id="days first"),
        pytest.param(
            "x", lambda i: f"202403{10 + i % 20}", "dates or times, such as '20240310'", id="dates as numbers"
        ),
        pytest.param("x", lambda i: f"{20 + i % 30} kg", "are written with 'kg', as '20 kg'", id="a unit"),
        pytest.param("x", lambda i: f"€{20 + i % 30}", "are written with '€', as '€20'", id="a currency"),
        pytest.param(
            "x", lambda i: f"{7 * i:05d}", "60 different texts that begin with 0", id="numbers that are codes"
        ),
    ],
)
def test_what_can_not_be_learnt_from_is_left_out_with_the_reason(
    tmp_path: Path, name: str, column: Column, reason: str
) -> None:
    path = table(tmp_path, length=length_of, target=target_of, **{name: column})
    assert list(drafted(tmp_path, path).features) == ["length"]
    draft = draft_contract(str(path), "target")
    (remark,) = draft.remarks
    assert remark.startswith(f"{name} is left out: ")
    assert reason in remark
    assert f"  # check: {remark}\n" in draft.text


def test_a_remark_on_a_name_of_two_lines_is_one_line(tmp_path: Path) -> None:
    path = table(tmp_path, length=length_of, target=target_of, **{'"two\nlines"': lambda i: i % 9})
    (remark,) = draft_contract(str(path), "target").remarks
    assert remark.startswith("two lines is left out: its name has ")


def test_the_name_comes_from_the_file(tmp_path: Path) -> None:
    path = table(tmp_path, length=length_of, target=target_of)
    assert draft_contract(str(path), "target").name == "my_table_1"
    assert draft_contract(str(path), "target", "other").name == "other"
    with pytest.raises(ConfigError, match="'Other' is no name for a data set"):
        draft_contract(str(path), "target", "Other")


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_the_delimiter_is_found(tmp_path: Path, delimiter: str) -> None:
    with_commas = {"length": lambda i: str(length_of(i)).replace(".", ","), "n": lambda i: i % 9, "target": target_of}
    path = written(tmp_path, with_commas, delimiter)
    contract = drafted(tmp_path, path)
    assert contract.reading.delimiter == delimiter
    assert contract.features["n"].type == "integer"


def test_an_encoding_of_old_is_found(tmp_path: Path) -> None:
    path = table(tmp_path, place=lambda i: ("Zürich", "Genève")[i % 2], length=length_of, target=target_of)
    path.write_bytes(path.read_text(encoding="utf-8").encode("cp1252"))
    contract = drafted(tmp_path, path)
    assert (contract.reading.encoding, contract.features["place"].codes) == ("cp1252", ["Genève", "Zürich"])


def test_parquet(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"x": NOISE, "fine": [i % 4 > 0 for i in range(ROWS)], "target": [i % 3 > 0 for i in range(ROWS)]}
    )
    frame.loc[3, "x"] = None
    frame.to_parquet(tmp_path / "t.parquet")
    contract = drafted(tmp_path, tmp_path / "t.parquet")
    assert (contract.reading.format, contract.target.positive) == ("parquet", "True")
    assert {name: feature.type for name, feature in contract.features.items()} == {"x": "number", "fine": "boolean"}


def test_an_index_with_a_name_is_a_column(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": NOISE, "target": [i % 3 > 0 for i in range(ROWS)]}).set_index("x")
    frame.to_parquet(tmp_path / "t.parquet")
    assert list(drafted(tmp_path, tmp_path / "t.parquet").features) == ["x"]


@pytest.mark.parametrize(
    ("target", "classes", "positive"),
    [
        pytest.param(target_of, {"no": ["no"], "yes": ["yes"]}, "yes", id="yes and no"),
        pytest.param(lambda i: i % 3 // 2, {"0": [0], "1": [1]}, "1", id="0 and 1"),
        pytest.param(lambda i: ("a", "b", "b")[i % 3], {"b": ["b"], "a": ["a"]}, "a", id="the rarer one"),
        pytest.param(lambda i: i % 3 - 1, {"-1": [-1], "0": [0], "1": [1]}, None, id="against, neither and for"),
        pytest.param(lambda i: (1, -9)[i % 2], {"1": [1], "-9": [-9]}, "1", id="two of which one looks like a code"),
        pytest.param(lambda i: f"{i % 3}.0", {"0": [0], "1": [1], "2": [2]}, None, id="three numbers"),
        pytest.param(
            lambda i: ("Yes", "no", "yes", "NO", " no")[i % 5],
            {"no": ["no", "NO"], "Yes": ["Yes", "yes"]},
            "Yes",
            id="spellings",
        ),
    ],
)
def test_classes(tmp_path: Path, target: Column, classes: dict[str, list[object]], positive: str | None) -> None:
    contract = drafted(tmp_path, table(tmp_path, length=length_of, target=target))
    assert {c.label: c.values for c in contract.target.classes} == classes
    assert contract.target.positive == positive


def test_limits_that_the_file_breaks_are_set_to_what_it_has(tmp_path: Path) -> None:
    twins = table(tmp_path, x=lambda i: i % 5, y=lambda i: i % 3 == 1, target=target_of)
    telling = "y: leakage, AUC of this column alone: 1, allowed: 0.98 or less"
    contract = drafted(tmp_path, twins, broken=[telling])
    assert contract.checks.maximum_duplicate_share == 1
    text = draft_contract(str(twins), "target").text
    assert "maximum_duplicate_share: 1   # check: are twins one case, written twice? then remove one of them" in text
    assert "# y alone tells a class (AUC 1.000)" in text
    assert yaml.safe_load(text)["checks"] == {"maximum_duplicate_share": 1, "maximum_single_feature_auc": 0.98}
    known = text.replace("maximum_single_feature_auc: 0.98", "maximum_single_feature_auc: 1")
    agreed = Contract.model_validate(yaml.safe_load(known))
    assert check_rows(agreed, read_site(agreed, agreed.training_site), agreed.training_site).passed


def refused(folder: Path, lines: Sequence[str]) -> Path:
    path = folder / "t.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


GOOD = [f"{length_of(i)},{target_of(i)}" for i in range(ROWS)]


@pytest.mark.parametrize(
    ("lines", "kind", "reason"),
    [
        pytest.param([], Refused, "is empty", id="empty"),
        pytest.param(["x,target"], Refused, "has no rows", id="header alone"),
        pytest.param(
            ["x,tarket", *GOOD], ConfigError, "has no column 'target'; did you mean 'tarket'?", id="no target"
        ),
        pytest.param(["target,target", *GOOD], Refused, "column 'target' stands twice", id="repeated column"),
        pytest.param(
            ["x,X,target", *(f"1,{row}" for row in GOOD)],
            Refused,
            "'X' differs from another in capitals",
            id="capitals",
        ),
        pytest.param(["x,,target", *(f"1,{row}" for row in GOOD)], Refused, "column 2 has no name", id="nameless"),
        pytest.param(["x,target", *GOOD, "5"], Refused, "row 61 has 1 cells, the header has 2", id="cut off"),
        pytest.param(["x,target", *GOOD, '"5,no'], Refused, "is not a CSV file", id="open quote"),
        pytest.param(["x,target", *GOOD, "5,"], Refused, "'target' is missing in 1 rows: 61", id="row without class"),
        pytest.param(["x,target", *(f"{i},no" for i in range(60))], Refused, "a single value, 'no'", id="one class"),
        pytest.param(
            ["x,target", *(f"{i},{i}" for i in range(60))], Refused, "60 different numbers: a quantity", id="sum"
        ),
        pytest.param(
            ["x,target", *(f"{i},{i % 3 + 0.5}" for i in range(60))],
            Refused,
            "3 different numbers: a quantity, not classes; 0.5 is a fraction",
            id="fractions",
        ),
        pytest.param(
            ["x;target", *(f"{i};{i % 3},5" for i in range(60))],
            Refused,
            "'target' has numbers with a comma: a quantity",
            id="fractions with a comma",
        ),
        pytest.param(
            ["x,target", *(f"{i},2024-0{1 + i % 2}-01" for i in range(60))],
            Refused,
            "dates or times, such as '2024-01-01': a quantity",
            id="dates",
        ),
        pytest.param(
            ["x,target", *(f"{i},{(0, 1, -9)[i % 3]}" for i in range(60))],
            Refused,
            "'target' is -9 in 20 rows: that looks like a code for 'missing'",
            id="a code for missing",
        ),
        pytest.param(["x,target", *GOOD, "1,so"], Refused, "fewer than 10 rows: 'so' (1)", id="rare class"),
        pytest.param(
            ["x,target", *(f"1,{target_of(i)}" for i in range(60))], Refused, "no column to learn from: x", id="none"
        ),
    ],
)
def test_refused(tmp_path: Path, lines: list[str], kind: type[ProjectError], reason: str) -> None:
    with pytest.raises(kind) as caught:
        draft_contract(str(refused(tmp_path, lines)), "target")
    assert reason in caught.value.cause
    assert caught.value.next_step or kind is Refused


def test_sixteen_bits_a_letter_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes("x,target\n1,2\n".encode("utf-16"))
    with pytest.raises(Refused, match="is no text in UTF-8"):
        draft_contract(str(tmp_path / "t.csv"), "target")


@pytest.mark.parametrize("first", [gzip.compress(b"a,target"), b"PK\x03\x04 a workbook"], ids=["gzip", "xlsx"])
def test_what_is_no_text_at_all(tmp_path: Path, first: bytes) -> None:
    (tmp_path / "packed.csv").write_bytes(first)
    with pytest.raises(Refused) as refusal:
        draft_contract(str(tmp_path / "packed.csv"), "target")
    assert refusal.value.cause.endswith("packed.csv is compressed or a workbook, expected a CSV or Parquet file")
    assert refusal.value.next_step == "unpack it, or save it as CSV"


def test_what_was_guessed_has_a_mark(tmp_path: Path) -> None:
    columns: dict[str, Column] = {
        "length": length_of,
        "grade": lambda i: 1 + i % 4,
        "smoker": lambda i: i % 2,
        "age": lambda i: -99 if i == 7 else 20 + i % 30,
        "place": lambda i: ("Basel", "Bern")[i % 2],
        "side": lambda i: "lLr"[i // 3 % 3],
        "weight": lambda i: f"{1 + i % 7}.{120 + 11 * (i % 31)}",
        "ring": lambda i: f"N{i}A",
        "target": target_of,
    }
    draft = draft_contract(str(table(tmp_path, **columns)), "target")
    marks = [line.strip() for line in draft.text.splitlines() if "# check: " in line]
    assert marks == [
        "source:   # check: where it comes from and under which terms; shown in the model card",
        'positive: "yes"   # check: its probability is judged against the threshold',
        "# check: ring is left out: 60 different texts, looks like an identifier",
        "maximum: 18   # check: seen 10 to 14.98",
        "type: integer   # check: codes? then a category",
        "maximum: 5.5   # check: seen 1 to 4",
        "type: boolean   # check: 0, 1 taken as yes and no",
        "maximum: 64   # check: seen 20 to 49",
        "missing: [-99]   # check: far from all others, taken as not measured in 1 rows",
        "values: [Basel, Bern]   # check: a value not listed is refused",
        "values: [L, l, r]   # check: a value not listed is refused; L and l: one code, spelt in two ways?",
        "type: number   # check: a point between thousands? then take it away in the file",
        "maximum: 11   # check: seen 1.12 to 7.417",
    ]
    assert draft.guesses == len(marks)


@pytest.mark.parametrize(
    ("target", "lines"),
    [
        (lambda i: i % 3, ["column: target   # check: a quantity? none is predicted here, and classes know no order"]),
        (
            lambda i: ("a", "B", "A")[i % 3],
            [
                "positive: B   # check: its probability is judged against the threshold",
                "- {label: a, values: [a, A]}   # check: spellings of one class? 40 rows",
            ],
        ),
    ],
    ids=["numbers", "spellings"],
)
def test_what_was_guessed_of_the_target_has_a_mark(tmp_path: Path, target: Column, lines: list[str]) -> None:
    text = draft_contract(str(table(tmp_path, length=length_of, target=target)), "target").text
    its = text.partition("\ntarget:")[2].partition("\nfeatures:")[0].splitlines()
    assert [line.strip() for line in its if "# check: " in line] == lines


def test_points_between_thousands_beside_a_decimal_comma_are_no_decimals(tmp_path: Path) -> None:
    columns: dict[str, Column] = {
        "income": lambda i: f"{1 + i % 7}.{120 + 11 * (i % 31)}",
        "share": lambda i: f"0,{i % 9}",
        "n": lambda i: i % 9,
        "target": target_of,
    }
    path = written(tmp_path, columns, ";")
    assert list(drafted(tmp_path, path).features) == ["n"]
    remarks = draft_contract(str(path), "target").remarks
    assert "income is left out: its points may stand between thousands, as in '1.120': take them away" in remarks


def test_a_wrong_guess_ends_in_a_line_that_says_what_and_where(tmp_path: Path) -> None:
    path = table(tmp_path, length=length_of, place=lambda i: ("Basel", "Bern")[i % 2], target=target_of)
    contract = drafted(tmp_path, path)
    path.write_text(path.read_text() + "10.5,Chur,no\n99,Bern,yes\nlong,Bern,no\n")
    site = contract.sites[contract.training_site].model_copy(update={"sha256": None})
    longer = contract.model_copy(update={"sites": {contract.training_site: site}})
    report = check_rows(longer, read_site(longer, contract.training_site), contract.training_site)
    assert [str(violation) for violation in report.violations] == [
        "length: out of range: 99 in row 62, allowed: a number from 7.5 to 18",
        "length: unreadable: 'long' in row 63, allowed: a number from 7.5 to 18",
        "place: unknown code: 'Chur' in row 61, allowed: one of Basel, Bern",
    ]


def test_a_contract_that_is_there_stays(tmp_path: Path) -> None:
    draft = draft_contract(str(table(tmp_path, length=length_of, target=target_of)), "target")
    path = write_draft(draft, tmp_path)
    path.write_text("mine")
    with pytest.raises(ConfigError, match=r"my_table_1\.yaml exists and was not changed"):
        write_draft(draft, tmp_path)
    assert path.read_text() == "mine"
