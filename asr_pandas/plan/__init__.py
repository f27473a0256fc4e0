"""What a run would do, and cost, before anything is sent: a checked call in, a `Plan` out."""

from asr_pandas.plan.planned import Plan
from asr_pandas.plan.planning import plan

__all__ = ["Plan", "plan"]
