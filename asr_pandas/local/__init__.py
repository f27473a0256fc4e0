"""The embedded recogniser and the local server that speaks the service's protocol."""
