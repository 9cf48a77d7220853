"""`run.py data`: as a user types it, in a project of its own."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from project.errors import Exit
from tests.integration.forked import Forks
from tests.integration.object_store import BUCKET, object_store
from tests.integration.project_copy import Project, refusal

PENGUINS = "data/raw/penguins/penguins.csv"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, forks: Forks) -> Project:
    return Project.copy(tmp_path_factory.mktemp("data"), forks)


def answer(project: Project, *arguments: str, code: Exit = Exit.DONE) -> Any:
    done = project.run("data", *arguments, "--json")
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def contract_at(project: Project, name: str, path: str, **site: str) -> None:
    """Write a contract like that of the penguins, whose only site is another file."""
    text = (project.root / "configs/datasets/penguins.yaml").read_text(encoding="utf-8")
    before, rest = text.split("sites:\n")
    _, after = rest.split("\nsegments:")
    more = "".join(f"    {key}: {value}\n" for key, value in site.items())
    changed = f"{before}sites:\n  palmer:\n    role: train\n    path: {path}\n{more}\nsegments:{after}"
    file = project.root / f"configs/datasets/{name}.yaml"
    file.write_text(changed.replace("name: penguins", f"name: {name}"), encoding="utf-8")


def test_validate_says_which_cells_break_which_rule(project: Project) -> None:
    lines = (project.root / PENGUINS).read_text(encoding="utf-8").splitlines()
    lines[3] = "Adelie,Torgersen,403,18,195,3250,female,2007"
    lines[7] = "Adelie,Atlantis,38.9,17.8,181,heavy,female,2007"
    (project.root / "broken.csv").write_text("\n".join(lines))
    contract_at(project, "broken", "broken.csv")
    found = answer(project, "validate", "--dataset", "broken", code=Exit.REFUSED)
    (site,) = found["sites"]
    assert (found["passed"], site["rows"]) == (False, 344)
    assert [(v["column"], v["rule"], v["found"], v["rows"]) for v in site["violations"]] == [
        ("bill_length_mm", "out of range", ["403"], [3]),
        ("body_mass_g", "unreadable", ["'heavy'"], [7]),
        ("island", "unknown code", ["'Atlantis'"], [7]),
    ]
    page = (project.root / found["report"]).read_text(encoding="utf-8")
    assert "Atlantis" in page


def test_validate_passes_and_checks_a_file_instead(project: Project) -> None:
    done = project.run("data", "validate", "--dataset", "penguins", "--input", PENGUINS)
    assert done.returncode == Exit.DONE, done.stderr
    assert re.fullmatch(
        r"input +344 rows   \d+ checks, all hold\nReport reports/penguins/data_checks.html\n", done.stdout
    )
    assert (project.root / "reports/penguins/data_checks.html").is_file()


def test_validate_asks_of_a_file_what_is_asked_of_the_site_it_is_meant_for(project: Project) -> None:
    lines = (project.root / PENGUINS).read_text(encoding="utf-8").splitlines()
    (project.root / "few.csv").write_text("\n".join(lines[:31]))
    few = ("validate", "--dataset", "penguins", "--input", "few.csv")
    assert answer(project, *few)["passed"]
    (site,) = answer(project, *few, "--site", "palmer", code=Exit.REFUSED)["sites"]
    assert [(v["column"], v["rule"], v["found"]) for v in site["violations"]] == [
        ("species", "share of class 'Chinstrap'", ["0"]),
        ("species", "share of class 'Gentoo'", ["0"]),
        ("table", "number of rows", ["30"]),
    ]


def test_describe(project: Project) -> None:
    found = answer(project, "describe", "--dataset", "penguins")
    (site,) = found["sites"]
    assert (site["rows"], site["classes"]) == (344, {"Adelie": 152, "Chinstrap": 68, "Gentoo": 124})
    columns = {column["column"]: column for column in site["columns"]}
    assert columns["bill_length_mm"]["quantiles"] == {
        "minimum": 32.1,
        "5 %": 35.7,
        "median": 44.45,
        "95 %": 51.995,
        "maximum": 59.6,
    }
    assert (columns["sex"]["type"], columns["sex"]["missing"]) == ("category", 0.032)
    assert columns["sex"]["values"] == {"male": 168, "female": 165}
    text = project.run("data", "describe", "--site", "va").stdout.splitlines()
    assert text[0] == "va (external): 200 rows; no disease 51 (26%), disease 149 (74%)"
    assert "  thal      category   83% missing   reversible defect 22, fixed defect 8, normal 4" in text


def test_diff_tells_what_changed(project: Project) -> None:
    lines = (project.root / PENGUINS).read_text(encoding="utf-8").splitlines()
    changed = [lines[0].replace("year", "season"), *lines[2:], lines[5].replace("Torgersen", "Dream")]
    (project.root / "new.csv").write_text("\n".join(changed))
    found = answer(project, "diff", "--dataset", "penguins", "palmer", "new.csv", code=Exit.DIFFERENT)
    assert (found["same"], found["rows"]) == (False, [344, 344])
    assert (found["only_first"], found["only_second"]) == (["year"], ["season"])
    assert (found["rows_gone"], found["rows_new"]) == (1, 1)
    assert {c["column"]: c["what"] for c in found["columns"]}["island"] == ["share of Dream 36.0% to 36.3%"]


def test_diff_looks_at_values_not_at_spelling(project: Project) -> None:
    header, *rows = (project.root / PENGUINS).read_text(encoding="utf-8").splitlines()
    order = [7, 6, 5, 4, 3, 2, 1, 0]
    lines = [";".join(line.split(",")[i] for i in order) for line in (header, *reversed(rows))]
    (project.root / "same.csv").write_text("\n".join(lines).replace(";18;", ";18.0;").replace(";NA", ";"))
    found = answer(project, "diff", "--dataset", "penguins", PENGUINS, "same.csv")
    assert (found["same"], found["columns"]) == (True, [])


def test_diff_of_contracts_says_what_is_stricter(project: Project) -> None:
    ours = project.root / "configs/datasets/penguins.yaml"
    older = project.root / "older" / "penguins.yaml"
    older.parent.mkdir()
    older.write_text(ours.read_text(encoding="utf-8").replace("maximum: 7500", "maximum: 9000"), encoding="utf-8")
    found = answer(project, "diff", str(older), str(ours), code=Exit.DIFFERENT)
    assert found["changes"] == [
        {"entry": "features.body_mass_g.maximum", "before": 9000.0, "after": 7500.0, "stricter": True}
    ]
    done = project.run("data", "diff", str(older), str(ours))
    assert done.stdout.splitlines()[-1] == "1 entries differ, 1 of them stricter"
    assert answer(project, "diff", str(ours), str(ours))["same"] is True
    said = refusal(project.run("data", "diff", "--dataset", "penguins", "@nowhere", str(ours), "--json"))
    assert (said["exit_code"], said["error"]) == (
        Exit.USAGE,
        "git has no configs/datasets/penguins.yaml at 'nowhere'",
    )


@pytest.fixture
def commit(project: Project) -> Iterator[Callable[[], None]]:
    """Commit the copy's contracts and data, in a repository that ends with the test."""
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", "-C", str(project.root)]

    def commit_data() -> None:
        for command in (["add", "configs", "data", ".dvc/config"], ["commit", "--quiet", "--message", "one"]):
            subprocess.run([*git, *command], check=True, capture_output=True)

    subprocess.run([*git, "init", "--quiet"], check=True, capture_output=True)
    yield commit_data
    shutil.rmtree(project.root / ".git")


def test_diff_of_a_contract_and_what_git_has(project: Project, commit: Callable[[], None]) -> None:
    commit()
    with project.restored("configs/datasets/penguins.yaml"):
        project.edit("configs/datasets/penguins.yaml", "minimum: 2000", "minimum: 1000")
        now = "configs/datasets/penguins.yaml"
        found = answer(project, "diff", "--dataset", "penguins", "@HEAD", str(project.root / now), code=Exit.DIFFERENT)
    assert [(c["entry"], c["before"], c["after"], c["stricter"]) for c in found["changes"]] == [
        ("features.body_mass_g.minimum", 2000.0, 1000.0, False)
    ]


def test_diff_of_rows_and_what_git_has(project: Project, commit: Callable[[], None]) -> None:
    """One site, the whole data set and a file, each as it was and as it is, read by the contract of its own time."""
    va = "data/raw/heart_disease/processed.va.data"
    with project.restored(va, "configs/datasets/heart_disease.yaml"):
        commit()
        first, _, *rows = (project.root / va).read_text(encoding="utf-8").splitlines()
        (project.root / va).write_text("\n".join([first.replace("63", "64", 1), *rows]) + "\n", encoding="utf-8")
        project.edit("configs/datasets/heart_disease.yaml", 'missing: ["?", ""]', 'missing: ["?", "", "-"]')
        for then, now, was in (
            ("va@HEAD", "va", 200),
            (f"{va}@HEAD", va, 200),
            ("heart_disease@HEAD", "heart_disease", 920),
        ):
            found = answer(project, "diff", then, now, code=Exit.DIFFERENT)
            assert (found["rows"], found["rows_gone"], found["rows_new"]) == ([was, was - 1], 2, 1), then
        assert answer(project, "diff", "cleveland@HEAD", "cleveland")["same"]
        assert answer(project, "diff", "va@HEAD", "va@HEAD")["same"]


@pytest.mark.slow
def test_diff_of_rows_and_what_dvc_has(project: Project, commit: Callable[[], None]) -> None:
    dvc = [sys.executable, "-m", "dvc", "add", "--quiet", "data/birds.csv"]
    text = (project.root / PENGUINS).read_text(encoding="utf-8")
    for content in (text, text.replace("Torgersen", "Dream", 1)):
        (project.root / "data/birds.csv").write_text(content, encoding="utf-8")
        subprocess.run(dvc, cwd=project.root, env=project.environment, check=True, capture_output=True)
        commit()
    then, now = "data/birds.csv@HEAD~1", "data/birds.csv"
    found = answer(project, "diff", "--dataset", "penguins", then, now, code=Exit.DIFFERENT)
    assert (found["rows"], found["rows_gone"], found["rows_new"]) == ([344, 344], 1, 1)
    assert answer(project, "diff", "--dataset", "penguins", then, "palmer")["same"]
    said = refusal(project.run("data", "diff", "--dataset", "penguins", "data/none.csv@HEAD", now, "--json"))
    assert (said["exit_code"], said["error"], said["next"]) == (
        Exit.USAGE,
        "git has no data/none.csv at 'HEAD', and DVC has none",
        "dvc pull --all-commits, or name another",
    )
    outside = refusal(project.run("data", "diff", "/etc/hosts@HEAD", now, "--json"))
    assert outside["error"] == "/etc/hosts lies outside this tree: neither git nor DVC keeps what it was"


@pytest.mark.parametrize("script", ["data/download.py", "data/import_dataset.py"])
def test_the_scripts_download_from_wherever_they_are_called(project: Project, tmp_path: Path, script: str) -> None:
    shutil.copy(project.root / PENGUINS, tmp_path / "source.csv")
    contract_at(project, "fetched", "data/raw/fetched.csv", url=f"file://{tmp_path}/source.csv")
    (project.root / "data/raw/fetched.csv").unlink(missing_ok=True)
    command = [sys.executable, str(project.root / script), "--dataset", "fetched"]
    done = subprocess.run(command, cwd=tmp_path, env=project.environment, capture_output=True, text=True, check=False)
    digest = hashlib.sha256((project.root / PENGUINS).read_bytes()).hexdigest()
    assert done.stdout == f"downloaded data/raw/fetched.csv  sha256 {digest[:12]}\n", done.stderr
    assert (project.root / "data/raw/fetched.csv").read_bytes() == (tmp_path / "source.csv").read_bytes()


def test_download_refuses_other_bytes(project: Project, tmp_path: Path) -> None:
    (tmp_path / "source.csv").write_text("other")
    contract_at(project, "changed", PENGUINS, url=f"file://{tmp_path}/source.csv", sha256="f" * 64)
    before = (project.root / PENGUINS).read_bytes()
    said = refusal(project.run("data", "download", "--dataset", "changed", "--json"))
    assert said["exit_code"] == Exit.REFUSED
    assert (project.root / PENGUINS).read_bytes() == before


def test_init_writes_once(project: Project) -> None:
    arguments = ("init", PENGUINS, "--target", "species", "--name", "birds")
    found = answer(project, *arguments)
    assert (found["name"], found["contract"]) == ("birds", "configs/datasets/birds.yaml")
    said = refusal(project.run("data", *arguments, "--json"))
    assert (said["exit_code"], said["error"]) == (Exit.USAGE, "configs/datasets/birds.yaml exists and was not changed")


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (("describe", "--dataset", "penguin"), Exit.USAGE, "did you mean 'penguins'?"),
        (
            ("validate", "--site", "va", "--site", "hungarian", "--input", "none.csv"),
            Exit.USAGE,
            "give at most one --site with it",
        ),
        (("init", PENGUINS, "--target", "specie"), Exit.USAGE, "no column 'specie'; did you mean 'species'?"),
        (("diff", "cleveland", "none.csv"), Exit.UNREACHABLE, "none.csv does not exist"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    project: Project, arguments: tuple[str, ...], code: Exit, reason: str
) -> None:
    said = refusal(project.run("data", *arguments, "--json"))
    assert said["exit_code"] == code
    assert reason in said["error"]


@pytest.mark.parametrize("command", ["describe", "validate", "download"])
def test_an_unknown_site_is_named_beside_those_there_are(project: Project, command: str) -> None:
    said = refusal(project.run("data", command, "--site", "vaa", "--json"))
    assert (said["error"], said["next"]) == (
        "heart_disease has no site 'vaa'; did you mean 'va'?",
        "python run.py data describe --dataset heart_disease",
    )


@pytest.mark.parametrize("command", [("--stack", "local"), ("train", "--stack", "local"), ("monitor",)])
def test_a_run_looks_at_its_files_before_it_opens_a_store(project: Project, command: tuple[str, ...]) -> None:
    text = (project.root / PENGUINS).read_text(encoding="utf-8")
    for name, content, code, error, following in (
        ("gone", "", Exit.UNREACHABLE, "gone.csv does not exist", "check the path"),
        ("empty", "", Exit.REFUSED, "empty.csv is empty", "check that the download is whole"),
        (
            "cut",
            text.rstrip()[:-5],
            Exit.REFUSED,
            "cut.csv: row 344 has 7 cells",
            "check that the file is whole, and reading.",
        ),
        ("marks", text.replace(",", ";"), Exit.REFUSED, "marks.csv: column 'island' is missing", "check the h"),
    ):
        if name != "gone":
            (project.root / f"{name}.csv").write_text(content, encoding="utf-8")
        contract_at(project, name, f"{name}.csv")
        file = ("--input", f"{name}.csv") if command == ("monitor",) else ()
        said = refusal(project.run(*command, "--dataset", name, *file, "--json"))
        assert said["exit_code"] == code
        assert said["error"].startswith(error)
        assert said["next"].startswith(following)
    assert not project.zenml.exists()


@pytest.mark.parametrize("command", [("data", "validate"), ("data", "describe"), ("monitor",)])
def test_a_file_counts_from_where_it_is_typed(project: Project, tmp_path: Path, command: tuple[str, ...]) -> None:
    (tmp_path / "cut.csv").write_text((project.root / PENGUINS).read_text(encoding="utf-8").rstrip()[:-5])
    words = [sys.executable, str(project.root / "run.py"), *command, "--dataset", "penguins", "--input", "cut.csv"]
    done = subprocess.run(words, cwd=tmp_path, env=project.environment, capture_output=True, text=True, check=False)
    assert done.returncode == Exit.REFUSED
    assert f"error: {tmp_path}/cut.csv: row 344 has 7 cells" in done.stderr


def test_a_bucket_is_as_good_as_a_folder(project: Project) -> None:
    with object_store() as store:
        store.upload_file(str(project.root / PENGUINS), BUCKET, "birds/p.csv")
        contract_at(project, "remote", f"s3://{BUCKET}/birds/p.csv", url=f"s3://{BUCKET}/birds/p.csv")
        assert answer(project, "describe", "--dataset", "remote")["sites"][0]["rows"] == 344
        (fetched,) = answer(project, "download", "--dataset", "remote")["files"]
        assert fetched["state"] == "unchanged"
        assert answer(project, "diff", "--dataset", "remote", "palmer", PENGUINS)["same"]
        assert answer(project, "init", f"s3://{BUCKET}/birds/p.csv", "--target", "species")["name"] == "p"
        assert answer(project, "describe", "--dataset", "p")["sites"][0]["rows"] == 344
        said = refusal(
            project.run("data", "describe", "--dataset", "penguins", "--input", f"s3://{BUCKET}/no.csv", "--json")
        )
        assert (said["exit_code"], said["error"]) == (Exit.UNREACHABLE, f"s3://{BUCKET}/no.csv does not exist")
