"""The two files of a stack: `NAME.yaml` in ZenML's export schema, `NAME.resources.yaml` for what that schema lacks."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from project.strict_yaml import Strict

# ZenML's `StackComponentType`, repeated so that a file can be read without two seconds of `import zenml`.
ComponentType = Literal[
    "alerter",
    "annotator",
    "artifact_store",
    "container_registry",
    "data_validator",
    "deployer",
    "experiment_tracker",
    "feature_store",
    "image_builder",
    "log_store",
    "model_deployer",
    "model_registry",
    "orchestrator",
    "sandbox",
    "step_operator",
]
Name = Annotated[str, Field(min_length=1, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
Variable = Annotated[str, Field(pattern=r"^[A-Z_][A-Z0-9_]*$")]
Source = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$")]


class Component(Strict):
    """One component as `zenml stack export` writes it."""

    name: Name
    type: ComponentType
    flavor: Name
    configuration: dict[str, Any] = Field(default_factory=dict)


Listed = Annotated[list[Component], Field(min_length=1, max_length=1)]


class Components(Strict):
    """The components of a stack by type: exactly one of each that is listed."""

    orchestrator: Listed
    artifact_store: Listed
    alerter: Listed | None = None
    annotator: Listed | None = None
    container_registry: Listed | None = None
    data_validator: Listed | None = None
    deployer: Listed | None = None
    experiment_tracker: Listed | None = None
    feature_store: Listed | None = None
    image_builder: Listed | None = None
    log_store: Listed | None = None
    model_deployer: Listed | None = None
    model_registry: Listed | None = None
    sandbox: Listed | None = None
    step_operator: Listed | None = None

    @model_validator(mode="after")
    def _type_is_the_key(self) -> Self:
        for key, component in self.listed().items():
            if component.type != key:
                raise ValueError(f"{component.name!r} stands under {key!r} but says type {component.type!r}")
        return self

    def listed(self) -> dict[str, Component]:
        """The component of each type that the file lists."""
        types = {key: getattr(self, key) for key in type(self).model_fields}
        return {key: components[0] for key, components in types.items() if components}


class StackFile(Strict):
    """`stacks/NAME.yaml`, the schema of `zenml stack export`."""

    zenml_version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
    stack_name: Name
    components: Components


class LocalServer(Strict):
    """The SQLite store of the user's ZenML configuration, the one `zenml login --local` shows."""

    kind: Literal["local"]


class RemoteServer(Strict):
    """A ZenML server reached by URL.

    Args:
        url: Its address, for the client and the pods alike.
        api_key_variable: The environment variable with a service account's key; without it the user's login counts.
    """

    kind: Literal["remote"]
    url: Annotated[str, Field(min_length=1)]
    api_key_variable: Variable = "ZENML_STORE_API_KEY"


class FlavorSource(Strict):
    """A flavor of this project, registered before the components that use it."""

    type: ComponentType
    source: Source


class Connector(Strict):
    """A ZenML service connector, registered without verification: registering needs no cloud.

    Args:
        components: The component types of this stack that go through it.
    """

    name: Name
    type: Name
    auth_method: Name
    resource_type: Name
    resource_id: str | None = None
    configuration: dict[str, Any] = Field(default_factory=dict)
    components: list[ComponentType] = Field(default_factory=list)


class Resources(Strict):
    """`stacks/NAME.resources.yaml`.

    Args:
        server: The ZenML server this stack lives in.
        extends: A stack whose component configurations hold here too, unless this one says otherwise.
        flavors: Flavors of this project that the stack uses.
        secrets: For each ZenML secret, its keys and the environment variable that fills each. Never a value.
        connectors: Service connectors of the stack.
        labels: Labels of the registered stack.
    """

    server: Annotated[LocalServer | RemoteServer, Field(discriminator="kind")]
    extends: Name | None = None
    flavors: list[FlavorSource] = Field(default_factory=list)
    secrets: dict[Name, Annotated[dict[Name, Variable], Field(min_length=1)]] = Field(default_factory=dict)
    connectors: list[Connector] = Field(default_factory=list)
    labels: dict[Name, str] = Field(default_factory=dict)
