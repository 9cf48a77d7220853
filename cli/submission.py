"""Submit a pipeline to the active stack, wherever its steps run, and hand back what they returned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zenml.models import PipelineRunResponse

TRIES = 2
"""Of a step that changes no endpoint: its node may go, a server that it asks may be restarted."""


def prepared(pipeline: Any, tries: int = 1, **options: Any) -> Any:
    """A pipeline with options, and with the settings that its steps need where they run.

    Args:
        pipeline: Of ZenML.
        tries: How often a step may be begun whose pod fails; a step that runs here is begun once.
        options: Of ZenML's pipelines.
    """
    from zenml.config.retry_config import StepRetryConfig

    from stacks.images import step_settings

    elsewhere = step_settings()
    if elsewhere and tries > 1:
        options["retry"] = StepRetryConfig(max_retries=tries - 1)
    return pipeline.with_options(**{**options, "settings": {**elsewhere, **options.get("settings", {})}})


def outputs(run: PipelineRunResponse | None) -> dict[str, Any]:
    """Outputs of a run once it has ended: `step.artifact` to a function that loads it, and `run` itself."""
    from cli.follow import followed

    assert run is not None  # noqa: S101  only a scheduled run has no response
    run = run if run.status.is_finished else followed(run)
    found: dict[str, Any] = {"run": run}
    for name, step in run.steps.items():
        for artifact, (version, *_) in step.outputs.items():
            found[f"{name}.{artifact}"] = version
    return found
