"""Events and states over MQTT."""
