"""Every exception that Airlock raises on purpose, split by who has to act.

::

    AirlockError
    ├── UsageError           the caller asked for something that cannot be: change the call
    ├── OperatorError        the deployment has to be changed by its operator
    │   ├── ConfigError      a setting is wrong; the message carries its path
    │   ├── StateError       a directory, repository or record is missing or damaged
    │   └── CommandFailed    a program that Airlock ran did not succeed
    └── TransientError       nobody: the next sync tries again
        ├── CommandTimeout   a program did not answer in time
        └── UpstreamError    the upstream repository did not give what was asked for

Faults of a DAG repository's revision are never exceptions: they are findings in a verdict.
"""

from __future__ import annotations


class AirlockError(Exception):
    """What went wrong, why in one word, and the way out.

    ``reason`` is one CamelCase word, the same in messages, records and metrics. ``hint`` is a sentence that says
    what to do; it may be empty where the message says it already.
    """

    reason = "Failed"

    def __init__(self, message: str, *, hint: str = "", reason: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if reason:
            self.reason = reason

    def __str__(self) -> str:
        return f"{self.message}\nhint: {self.hint}" if self.hint else self.message


class UsageError(AirlockError):
    """The caller asked for something that cannot be."""

    reason = "BadRequest"


class OperatorError(AirlockError):
    """The deployment has to be changed by its operator."""

    reason = "DeploymentFault"


class ConfigError(OperatorError):
    """A setting is wrong. The message begins with the path of the setting."""

    reason = "BadConfiguration"


class StateError(OperatorError):
    """A directory, repository or record of the state is missing, damaged or unusable."""

    reason = "BadState"


class CommandFailed(OperatorError):
    """A program ended with another status than 0."""

    reason = "CommandFailed"

    def __init__(self, message: str, *, status: int, stderr: str, hint: str = "", reason: str = "") -> None:
        super().__init__(message, hint=hint, reason=reason)
        self.status = status
        self.stderr = stderr


class TransientError(AirlockError):
    """Something outside did not work this time; trying again later may."""

    reason = "TryAgain"


class CommandTimeout(TransientError):
    """A program was killed because it did not end in time."""

    reason = "TimedOut"


class UpstreamError(TransientError):
    """The upstream repository could not be reached, refused, or does not have what was asked for."""

    reason = "UpstreamUnavailable"
