"""A DockerOperator whose container is a sandbox: what the operator has no parameter for is added to its requests."""

from __future__ import annotations

from functools import cached_property, partial
from typing import Any

from airflow.providers.docker.exceptions import DockerContainerFailedException
from airflow.providers.docker.hooks.docker import DockerHook
from airflow.providers.docker.operators.docker import DockerOperator
from docker.types import Mount  # type: ignore[import-untyped]

from airlock.sandbox import shape
from airlock.sandbox.settings import FOLDER
from airlock.sandbox.shape import Sandbox


class SandboxOperator(DockerOperator):
    """Runs one sandbox on the engine at an address. It never pulls an image.

    It runs beside the task that validates, which talks to the sandbox meanwhile: that task calls ``run_container``.
    """

    def __init__(self, *, sandbox: Sandbox, docker_url: str, task_id: str = "sandbox", **kwargs: Any) -> None:
        super().__init__(
            task_id=task_id,
            docker_url=docker_url,
            image=sandbox.image,
            entrypoint=shape.ENTRYPOINT,
            command=sandbox.command,
            environment=sandbox.environment,
            user=sandbox.user,
            working_dir="/tmp",  # noqa: S108 - it is the container's own
            network_mode=shape.NETWORK,
            mem_limit=str(sandbox.memory),
            mounts=[Mount(target=str(FOLDER), source=sandbox.volume, type="volume", read_only=True)],
            mount_tmp_dir=False,
            auto_remove="force",
            docker_conn_id=None,
            xcom_all=True,
            **kwargs,
        )
        self.sandbox = sandbox

    @cached_property
    def hook(self) -> DockerHook:
        """The hook of the operator, with a client that asks for what a sandbox has beyond the operator's parameters."""
        hook = super().hook
        hook.api_client.create_host_config = partial(
            hook.api_client.create_host_config,
            memswap_limit=self.sandbox.memory,
            nano_cpus=self.sandbox.nano_cpus,
            read_only=True,
            cap_drop=["ALL"],
            security_opt=shape.SECURITY,
            pids_limit=shape.PIDS,
            tmpfs=shape.TMPFS,
        )
        return hook

    def has_image(self) -> bool:
        """Tell whether the engine has the image."""
        return bool(self.cli.images(name=self.image))

    def run_container(self) -> tuple[int, list[str]]:
        """Run the container to its end, log what it prints, remove it; return its exit status and what it printed."""
        try:
            return 0, list(self._run_image() or ())
        except DockerContainerFailedException as error:
            return 1, [str(line) for line in error.logs or ()]
