"""HTTP and WebSocket: parse, call, render; no decisions about numbers."""
