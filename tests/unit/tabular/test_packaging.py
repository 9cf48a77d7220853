"""What a bundle holds, and that all of it comes from the evidence."""

from __future__ import annotations

import io
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tabular import export
from tabular.bundle import CONTENT, read_bundle, write_bundle
from tabular.champion import champion_on
from tabular.choosing import Choice
from tabular.conformal import prediction_sets
from tabular.curves import curves
from tabular.evaluation import (
    evaluate,
    evaluate_segments,
    figures,
    importance,
    losses,
)
from tabular.judging import judge_bundle
from tabular.metrics import row_log_loss
from tabular.model_card import model_card, to_html
from tabular.packaging import BACKGROUND_ROWS, Packaged, package
from tabular.reliability import net_benefit
from tabular.scoring import Scored
from tabular.tensors import to_classes, to_tensor
from tabular.training_config import TrainingConfig
from tests.unit.tabular.conftest import Data, make_contract, packaged


def test_a_bundle_is_complete(heart_packaged: Packaged) -> None:
    bundle = heart_packaged.bundle
    assert sorted(bundle.content) == sorted(CONTENT)
    assert heart_packaged.parity_difference <= 1e-6
    assert heart_packaged.with_provenance({"commit": "c0ffee"}) == replace(bundle, provenance={"commit": "c0ffee"})
    assert bundle.libraries["scikit-learn"].startswith("1.9.")


def test_a_real_bundle_survives_its_folder(heart_packaged: Packaged, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("bundle")
    write_bundle(heart_packaged.bundle, folder)
    assert read_bundle(folder) == heart_packaged.bundle


def test_what_serving_reads(heart: Data, heart_packaged: Packaged) -> None:
    serving = heart_packaged.bundle.json("serving.json")
    onnx = heart_packaged.bundle.content["model.onnx"]
    assert serving["threshold"] == 0.33
    ages = heart.train["age"].to_numpy(dtype=float)
    assert serving["quantiles"]["age"] == pytest.approx(np.quantile(ages, [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99]))
    assert sorted(serving["quantiles"]) == ["age", "ca", "chol", "oldpeak", "thalach", "trestbps"]
    background = np.array(serving["background"], dtype=np.float32)
    assert background.shape == (BACKGROUND_ROWS, 13)
    known = {tuple(row) for row in np.nan_to_num(heart.features, nan=-1).tolist()}
    assert {tuple(row) for row in np.nan_to_num(background, nan=-1).tolist()} <= known
    example = serving["example"]
    first = heart.train.dropna().iloc[[0]]
    assert example["row"]["age"] == first["age"].iloc[0]
    expected = export.predict(onnx, to_tensor(heart.contract, first))[0]
    assert example["probabilities"] == pytest.approx(expected, abs=1e-6)


def test_the_reference_is_the_training_rows_and_what_the_model_says(heart: Data, heart_packaged: Packaged) -> None:
    content = heart_packaged.bundle.content
    reference = pd.read_parquet(io.BytesIO(content["reference.parquet"]))
    pd.testing.assert_frame_equal(reference[heart.train.columns.tolist()], heart.train)
    said = reference[["probability no disease", "probability disease"]].to_numpy()
    np.testing.assert_allclose(said, export.predict(content["model.onnx"], heart.features), atol=1e-6)


def test_the_figures_are_those_of_the_exported_model(
    heart: Data, heart_packaged: Packaged, heart_scored: Scored
) -> None:
    metrics = heart_packaged.bundle.json("metrics.json")
    onnx = heart_packaged.bundle.content["model.onnx"]
    assert (metrics["candidate"], metrics["parameters"], metrics["training_rows"]) == ("logistic", {"C": 0.3}, 242)
    assert metrics["leaderboard"][0]["mean"] == heart_scored.mean
    assert metrics["validation"] == heart_scored.metrics
    p = export.predict(onnx, to_tensor(heart.contract, heart.test))
    assert metrics["test"]["metrics"] == pytest.approx(
        figures(to_classes(heart.contract, heart.test), p, 0.33), abs=1e-6
    )
    low, high = metrics["test"]["intervals"]["roc_auc"]
    assert low < metrics["test"]["metrics"]["roc_auc"] < high
    assert metrics["test"]["intervals"].keys() == metrics["test"]["metrics"].keys() >= {"pr_auc", "calibration_slope"}
    curve = metrics["test"]["decision_curve"]
    assert [point["threshold"] for point in curve] == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
    for point in curve:
        assert point["model"] == pytest.approx(
            net_benefit(to_classes(heart.contract, heart.test) == 1, p[:, 1], point["threshold"]), abs=1e-6
        )
        assert point["interval"][0] <= point["model"] <= point["interval"][1]
    limit = heart_packaged.bundle.json("serving.json")["conformal"]["0.90"]
    held = prediction_sets(p, limit)[np.arange(len(p)), to_classes(heart.contract, heart.test)].mean()
    assert metrics["test"]["conformal"]["0.90"]["coverage"] == pytest.approx(held, abs=1e-6)
    assert metrics["external"]["va"]["conformal"].keys() == {"0.80", "0.90", "0.95"}
    assert metrics["test"]["shares"] == {"no disease": 0.540984, "disease": 0.459016}
    assert {site: found["rows"] for site, found in metrics["external"].items()} == {
        "hungarian": 294, "switzerland": 123, "va": 200,
    }  # fmt: skip


def test_segments_are_the_rows_they_say(heart: Data, heart_packaged: Packaged) -> None:
    onnx = heart_packaged.bundle.content["model.onnx"]
    found = evaluate_segments(heart.contract, onnx, 0.33, heart.test, seed=7)
    ages = heart.test["age"]
    assert {name: part["rows"] for name, part in found.items()} == {
        "sex: female": int((heart.test["sex"] == 0).sum()),
        "sex: male": int((heart.test["sex"] == 1).sum()),
        "age: below 45": int((ages < 45).sum()),
        "age: 45 to 55": int(((ages >= 45) & (ages < 55)).sum()),
        "age: 55 to 65": int(((ages >= 55) & (ages < 65)).sum()),
        "age: 65 and above": int((ages >= 65).sum()),
    }
    men = heart.test[heart.test["sex"] == 1]
    expected = figures(to_classes(heart.contract, men), export.predict(onnx, to_tensor(heart.contract, men)), 0.33)
    assert found["sex: male"]["metrics"] == pytest.approx(expected, abs=1e-6)
    assert "metrics" not in evaluate_segments(heart.contract, onnx, 0.33, heart.test.head(5), seed=7)["sex: male"]


def test_segments_of_a_boolean_and_of_whole_numbers_with_gaps(heart: Data, heart_packaged: Packaged) -> None:
    segments = {"sugar": {"feature": "fbs"}, "vessels": {"feature": "ca", "edges": [1, 2]}}
    contract = heart.contract.model_validate({**heart.contract.model_dump(), "segments": segments})
    rows = heart.sites["cleveland"]
    found = evaluate_segments(contract, heart_packaged.bundle.content["model.onnx"], 0.33, rows, seed=7)
    assert {name: part["rows"] for name, part in found.items()} == {
        "sugar: False": 258, "sugar: True": 45, "vessels: below 1": 176, "vessels: 1 to 2": 65,
        "vessels: 2 and above": 58,
    }  # fmt: skip


def test_a_site_of_one_class_has_no_auc(heart: Data, heart_packaged: Packaged) -> None:
    sick = heart.test[heart.test["num"] == "disease"]
    found = evaluate(heart.contract, heart_packaged.bundle.content["model.onnx"], 0.33, sick, seed=7)
    assert found["metrics"]["roc_auc"] is None
    assert found["metrics"]["specificity"] is None
    assert found["intervals"]["roc_auc"] == [None, None]
    assert found["shares"] == {"no disease": 0.0, "disease": 1.0}


def test_importance_is_the_loss_of_a_shuffled_column(heart: Data, heart_packaged: Packaged) -> None:
    onnx = heart_packaged.bundle.content["model.onnx"]
    found = importance(heart.contract, onnx, heart.train, seed=7)
    assert list(found.values()) == sorted(found.values(), reverse=True)
    assert set(found) == set(heart.contract.features)
    assert found == importance(heart.contract, onnx, heart.train, seed=7)
    assert found["ca"] > 0.02
    truth, draw = heart.truth, np.random.default_rng(0)
    base = row_log_loss(truth, export.predict(onnx, heart.features)).mean()
    rises = []
    for _ in range(20):
        shuffled = heart.features
        shuffled[:, list(heart.contract.features).index("ca")] = draw.permutation(shuffled[:, 11])
        rises.append(row_log_loss(truth, export.predict(onnx, shuffled)).mean() - base)
    assert found["ca"] == pytest.approx(np.mean(rises), abs=4 * np.std(rises) / math.sqrt(5))


def test_a_column_that_the_model_can_not_see_has_no_importance(heart: Data, heart_packaged: Packaged) -> None:
    blind = heart.train.assign(ca=pd.array([None] * len(heart.train), dtype="Int64"))
    assert importance(heart.contract, heart_packaged.bundle.content["model.onnx"], blind, seed=7)["ca"] == 0.0


def test_a_model_ties_with_itself(
    heart: Data, heart_packaged: Packaged, heart_scored: Scored, config: TrainingConfig
) -> None:
    """Losses are compared as they are stored: rounding one side only would fail one tie in twenty."""
    bundle = heart_packaged.bundle
    itself = champion_on(heart.contract, bundle, heart.test)
    assert itself is not None
    assert itself.loss is not None
    assert losses(heart.contract, bundle.content["model.onnx"], heart.test).tolist() == itself.loss.tolist()
    verdicts = judge_bundle(
        heart.contract, bundle, Choice(heart_scored, 0.33, [heart_scored]), heart_packaged.parity_difference,
        heart.train, heart.test, itself, config.gates, 7,
    )  # fmt: skip
    reasons = {verdict.gate: verdict.reason for verdict in verdicts.items}
    assert reasons["not worse than champion"] == "log loss +0.0000 against the champion, at 95% at least +0.0000"
    assert [verdict.gate for verdict in verdicts.items if not verdict.passed] == []
    assert reasons["minimum roc_auc"].startswith(f"roc_auc {heart_scored.metrics['roc_auc']:.3f}, at least ")
    assert reasons["behaviour"] == "8 of 8 tests hold"


def test_a_first_model_is_judged_without_a_champion(
    heart: Data, heart_packaged: Packaged, heart_scored: Scored, config: TrainingConfig
) -> None:
    verdicts = judge_bundle(
        heart.contract, heart_packaged.bundle, Choice(heart_scored, 0.33, [heart_scored]), math.nan,
        heart.train, heart.test, None, config.gates, 7,
    )  # fmt: skip
    assert [verdict.gate for verdict in verdicts.items if not verdict.passed] == ["parity"]


def test_three_classes_have_no_threshold(penguins: Data, penguins_packaged: Packaged) -> None:
    bundle = penguins_packaged.bundle
    assert bundle.json("serving.json")["threshold"] is None
    metrics = bundle.json("metrics.json")
    assert metrics["test"]["metrics"]["accuracy"] > 0.9
    assert "sensitivity" not in metrics["test"]["metrics"]
    assert "the likeliest class is answered" in bundle.content["model_card.md"].decode()
    assert metrics["external"] == {}


def test_a_column_without_a_value_and_rows_that_all_have_gaps(heart: Data, heart_scored: Scored) -> None:
    nowhere = heart.train.assign(chol=np.nan)
    data = Data(heart.contract, heart.sites, nowhere, heart.test)
    found = packaged(data, heart_scored, 0.5)
    serving = found.bundle.json("serving.json")
    assert "chol" not in serving["quantiles"]
    assert serving["example"]["row"]["chol"] is None
    assert found.parity_difference <= 1e-6


def test_the_card_tells_the_figures_and_the_limits(heart: Data, heart_packaged: Packaged) -> None:
    card = heart_packaged.bundle.content["model_card.md"].decode()
    metrics = heart_packaged.bundle.json("metrics.json")
    assert sorted(card.splitlines()) == sorted(model_card(heart.contract, metrics).splitlines())  # JSON sorts its keys
    assert card.startswith("# Heart disease (UCI)\n\n")
    assert "'disease' is answered from a probability of 0.33 on" in card
    test = metrics["test"]
    low, high = test["intervals"]["roc_auc"]
    auc = f"{test['metrics']['roc_auc']:.3f} ({low:.3f} to {high:.3f})"
    assert f"| cleveland, held out | 61 | {auc} |" in card
    swiss = metrics["external"]["switzerland"]["metrics"]
    assert (
        f"At switzerland it is right in {swiss['accuracy']:.0%} of rows;"
        f" always giving the most frequent answer would be right in {swiss['majority']:.0%}." in card
    )
    assert "| chol | Serum cholesterol (mg/dl) | a number from 60 to 700 | yes |" in card
    assert "| **logistic** | C=0.3 |" in card
    assert "Licence: CC BY 4.0" in card


def test_the_card_of_a_model_without_segments_or_description(penguins: Data, penguins_packaged: Packaged) -> None:
    contract = make_contract(segments={})
    metrics = {**penguins_packaged.bundle.json("metrics.json"), "segments": {}, "threshold": 0.5}
    metrics["test"]["metrics"]["roc_auc"] = None
    card = model_card(contract, metrics)
    assert "Segments" not in card
    assert "Predicts **kind** (dog, cat); 'cat' is answered from a probability of 0.5 on." in card
    assert "| here, held out | 69 | – | " in card
    assert "\n\n\n" not in card


def test_the_card_s_page_shows_html_instead_of_running_it() -> None:
    page = to_html("# Title <b>\n\n| a \\| b |\n| -- |\n| <script>alert(1)</script> |\n")
    assert "<h1>Title &lt;b&gt;</h1>" in page
    assert "<td>&lt;script&gt;alert(1)&lt;/script&gt;</td>" in page
    assert "<th>a | b</th>" in page


@pytest.mark.parametrize("name", ["heart", "penguins"])
def test_curves_are_a_picture(request: pytest.FixtureRequest, name: str) -> None:
    data: Data = request.getfixturevalue(name)
    uniform = np.random.default_rng(0).dirichlet(np.ones(len(data.contract.target.labels)), len(data.truth))
    picture = curves(data.contract, data.truth, uniform)
    width, height = (int.from_bytes(picture[at : at + 4]) for at in (16, 20))
    assert picture.startswith(b"\x89PNG\r\n")
    assert (width, height) == (900, 400)


def test_packaging_twice_gives_the_same_bytes(heart: Data, heart_packaged: Packaged, heart_scored: Scored) -> None:
    choice = Choice(heart_scored, 0.33, [heart_scored])
    again = package(heart.contract, choice, heart.train, heart.test, heart.external, "0" * 64, 7)
    assert {n for n in CONTENT if again.bundle.content[n] != heart_packaged.bundle.content[n]} == set()
