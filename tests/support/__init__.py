"""What tests share: pico models, drawn runs, a loopback judge."""
