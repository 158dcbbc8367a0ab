"""Imported by `import verl`: registers the estimator, the agent loop and the trainer.

verl keeps an exception raised here to itself; `proxmo doctor verl` shows it.
"""

from proxmo.adapters.versions import check_version

check_version("verl")

from proxmo.adapters.verl import agent_loop, trainer  # noqa: E402 (refused first, then loaded)

__all__ = ["agent_loop", "trainer"]
