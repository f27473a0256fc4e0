"""Which proxy leads to an address, by the rules that the `openai` SDK's own client keeps. Pure."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from asr_pandas.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from urllib.parse import SplitResult


def proxy_for(url: str, settings: Mapping[str, str]) -> str | None:
    """Choose the proxy for an address.

    Parameters
    ----------
    url : str
        Where the request goes.
    settings : mapping
        As `urllib.request.getproxies` gives them: `https`, `http`, `all`, and `no` for the hosts
        that are reached without one.

    Returns
    -------
    str or None
        The proxy's address, with the credentials that stand in it.

    Raises
    ------
    OptionError
        The proxy speaks neither HTTP nor HTTPS.

    Examples
    --------
    >>> settings = {"https": "proxy.lan:3128", "no": "intranet.example, 10.0.0.0/8"}
    >>> proxy_for("https://dashscope.aliyuncs.com/v1", settings)
    'http://proxy.lan:3128'
    >>> proxy_for("https://asr.intranet.example/v1", settings)
    >>> proxy_for("https://10.1.2.3/v1", settings)
    """
    target = urlsplit(url)
    excepted = (entry.strip().lower() for entry in settings.get("no", "").split(","))
    if any(_excepts(entry, target) for entry in excepted if entry):
        return None
    proxy = settings.get(target.scheme) or settings.get("all")
    if not proxy:
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    if urlsplit(proxy).scheme not in {"http", "https"}:
        # Only the scheme is shown: credentials may stand in the rest.
        message = (
            f"the environment names a {urlsplit(proxy).scheme} proxy for {target.hostname}, "
            "and only http and https proxies can be used.\n\n"
            f"Hint: set {target.scheme.upper()}_PROXY to one, or NO_PROXY={target.hostname}."
        )
        raise OptionError(message)
    return proxy


def _excepts(entry: str, target: SplitResult) -> bool:
    """Tell whether an entry of NO_PROXY means the target."""
    scheme, _, rest = entry.rpartition("://")
    if scheme not in {"", "all", target.scheme}:
        return False
    host = (target.hostname or "").lower()
    try:
        return ip_address(host) in ip_network(rest.strip("[]"), strict=False)
    except ValueError:
        # After a scheme, a name means that one host.
        return _names(rest, host, target, exactly=bool(scheme))


def _names(entry: str, host: str, target: SplitResult, *, exactly: bool) -> bool:
    name, _, port = entry.rpartition(":") if entry[-1:].isdigit() else (entry, "", "")
    if not name:
        name, port = port, ""
    usual = 443 if target.scheme == "https" else 80
    if port and port != str(target.port or usual):
        return False
    domain = name.strip("[]").removeprefix("*")
    domain = name.strip("[]").removeprefix("*")
    # `.example.com` means what is below it alone, `example.com` means both.
    below = host.endswith(domain if domain.startswith(".") else f".{domain}")
    return name == "*" or host == domain or (below and not exactly)
