#!/bin/sh
# run.sh: the agent in the foreground with all its state under .run/, and a private broker on loopback beside it.
# CONFIG=FILE runs with the owner's configuration instead: then the broker is whatever that file says.
set -eu
cd "$(dirname "$0")/../.."
PATH=$PATH:/usr/sbin:/sbin # where Debian puts mosquitto; ordinary users do not look there

environment=$(packaging/dev/venv.sh run)
here=$(pwd)/.run
mkdir -p "$here"
# Held by the agent and its broker too, so a second one here is refused before it touches the first one's files.
exec 9>"$here/lock"
if ! flock -n 9; then
	echo "make run runs already in this checkout; stop that one, or make another clone." >&2
	exit 1
fi
broker=
agent=

finish() {
	code=$?
	trap '' INT TERM HUP # where no signal was the reason
	if [ -n "$agent" ] && kill "$agent" 2>/dev/null; then
		wait "$agent" || code=$?
		if [ "$code" -eq 143 ]; then code=0; fi # ended by the very signal that asked it to
	fi
	if [ -n "$broker" ] && kill "$broker" 2>/dev/null; then wait "$broker" || true; fi
	exit "$code"
}

free_port() { # PREFERRED: that port of 127.0.0.1, or any free one
	"$environment/bin/python" - "$1" <<'PYTHON'
import socket, sys
for port in (int(sys.argv[1]), 0):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        print(probe.getsockname()[1])
        break
PYTHON
}

start_broker() { # sets broker and mqtt_port, or fails and has said why
	if ! command -v mosquitto >/dev/null && [ "$(id -u)" -eq 0 ]; then packaging/dev/debian.sh mosquitto mosquitto-clients || true; fi
	if ! command -v mosquitto >/dev/null; then
		echo 'MQTT is off: mosquitto is not installed. To switch it on: apt-get install mosquitto mosquitto-clients, then make run again.'
		return 1
	fi
	mqtt_port=$(free_port 18830)
	{
		echo "listener $mqtt_port 127.0.0.1"
		echo 'allow_anonymous true' # only this machine reaches it
		echo 'persistence false'
		# As root mosquitto becomes its own user. Root of a user namespace cannot, and is nobody special outside.
		if ! grep -q 4294967295 /proc/self/uid_map; then echo 'user root'; fi
	} >"$here/mosquitto.conf"
	# In a session of its own: Ctrl-C is for the agent, which then still tells the broker that it leaves.
	setsid mosquitto -c "$here/mosquitto.conf" >"$here/mosquitto.log" 2>&1 &
	broker=$!
	if ! "$environment/bin/python" - "$mqtt_port" <<'PYTHON'; then
import socket, sys, time
for _ in range(100):
    try:
        socket.create_connection(("127.0.0.1", int(sys.argv[1])), 1).close()
        sys.exit(0)
    except OSError:
        time.sleep(0.05)
sys.exit(1)
PYTHON
		echo "MQTT is off: mosquitto did not start: $(tail -n 1 "$here/mosquitto.log")"
		return 1
	fi
	echo "To see what the agent tells: mosquitto_sub -h 127.0.0.1 -p $mqtt_port -v -t 'pathwarden/#'"
}

quoted() { # in UCI's single quotes
	printf "'%s'" "$(printf %s "$1" | sed "s/'/'\\\\''/g")"
}

# Once is enough: a second signal (from make, and from whoever ended make) must not cut the ending short.
trap 'trap "" INT TERM HUP; exit 0' INT TERM HUP
trap finish EXIT

config=${CONFIG:-}
if [ -z "$config" ]; then
	config=$here/pathwarden.conf
	mqtt=
	if start_broker; then
		mqtt=$(printf "\nconfig mqtt 'mqtt'\n\toption host '127.0.0.1'\n\toption port '%s'" "$mqtt_port")
	fi
	cat >"$config" <<EOT
# Written by make run each time. Your own configuration: make run CONFIG=/path/to/file

config agent 'agent'
	option db $(quoted "$here/history.db")
$mqtt

config web 'web'
	list listen '127.0.0.1:$(free_port 8866)'
EOT
fi

echo "To ask the agent: $environment/bin/pathwarden --config $config status"
# In the background, so that a signal to this script is not kept until the agent ends by itself.
"$environment/bin/pathwarden" --config "$config" run &
agent=$!
wait "$agent"
