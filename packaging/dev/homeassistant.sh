#!/usr/bin/env bash
# homeassistant.sh ENVIRONMENT: Home Assistant itself, in an environment of its own, takes what the real daemon of ENVIRONMENT publishes; as root.
set -euo pipefail
cd "$(dirname "$0")/../.."

python=$(packaging/dev/python.sh 3.13)
theirs=$(packaging/dev/venv.sh homeassistant "$python")
recording=$(mktemp)
trap 'rm -f "$recording"' EXIT
echo "Recording what a daemon publishes while its network changes (half a minute)" >&2
PYTHONPATH=tests "$1/bin/python" -m equipment.mqtt_recording "$recording"
PATHWARDEN_RECORDING=$recording "$theirs/bin/python" -m pytest -c tests/homeassistant/pytest.ini tests/homeassistant
