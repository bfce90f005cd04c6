"""What the processes of system-bus must agree about: envelope, events, configuration, read models."""
