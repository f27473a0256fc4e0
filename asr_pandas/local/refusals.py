"""What the server refuses, in the hosted service's own words: a reason in, an error body out.

The texts are the vendor's; clients tell most causes apart by the text alone.
"""

from __future__ import annotations

from typing import Final

from asr_pandas.errors import AsrError

TOO_LONG: Final = "The audio is too long"
TOO_LARGE: Final = "Multimodal file size is too large"
ITEM_TOO_LARGE: Final = "Exceeded limit on max bytes per data-uri item : 10485760"
ILLEGAL_FORMAT: Final = "The audio format is illegal and cannot be opened"
ILLEGAL_URL: Final = (
    "The provided URL does not appear to be valid. Ensure it is correctly formatted."
)
NOT_DOWNLOADED: Final = "Failed to download multimodal content"
DOWNLOAD_TOO_SLOW: Final = (
    "Download the media resource timed out during the data inspection process"
)


class Refusal(AsrError):
    """A request that is answered with an error body.

    Attributes
    ----------
    status : int
        HTTP status.
    code : str
        The service's word for the cause.
    """

    def __init__(self, message: str, *, status: int, code: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code

    def body(self, *, request_id: str) -> dict[str, object]:
        """Build the compatible form's error body."""
        kind = "invalid_request_error" if self.status < 500 else "internal_error"  # noqa: PLR2004  (HTTP's own classes)
        error = {"message": str(self), "type": kind, "param": None, "code": self.code}
        return {"error": error, "id": f"chatcmpl-{request_id}", "request_id": request_id}


def invalid(reason: str) -> Refusal:
    """Refuse a request that is not of the form, or whose audio is beyond the limits."""
    message = f"<400> InternalError.Algo.InvalidParameter: {reason}"
    return Refusal(message, status=400, code="invalid_parameter_error")


def undownloaded(reason: str) -> Refusal:
    """Refuse an address whose content could not be had this time."""
    message = f"<400> InternalError.Algo.InvalidParameter.DataInspection: {reason}"
    return Refusal(message, status=400, code="InvalidParameter.DataInspection")


def wrong_key() -> Refusal:
    """Refuse a request without the right key."""
    return Refusal("Incorrect API key provided.", status=401, code="invalid_api_key")


def unknown_model(model: str) -> Refusal:
    """Refuse a model that is not served here."""
    message = f"The model `{model}` does not exist or you do not have access to it."
    return Refusal(message, status=404, code="model_not_found")


def failed() -> Refusal:
    """Answer for a failure of our own; what it was stands in the server's log."""
    message = "<500> InternalError.Algo: Request failed. Please retry."
    return Refusal(message, status=500, code="InternalError.Algo")
