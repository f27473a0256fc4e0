"""Where requests go: one service each, as pure functions, and the one module that does HTTP."""

from asr_pandas.endpoint.endpoint import Endpoint

__all__ = ["Endpoint"]
