"""Which node is running."""

from dataclasses import dataclass


@dataclass
class ExecutionContext:
    prompt_id: str
    node_id: str
    list_index: int | None = None


#: For tests: what is said to be running.
current: ExecutionContext | None = None


def get_executing_context():
    return current
