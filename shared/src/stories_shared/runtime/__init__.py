"""What a service's process is made of: settings, logs, metrics, health, background tasks and the HTTP server."""
