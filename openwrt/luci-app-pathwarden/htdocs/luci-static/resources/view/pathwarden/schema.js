'use strict';
'require baseclass';

/* Made of the program's schema by `make luci`; not written by hand. */

function shared() {
	return [
		{ name: 'label', title: _('Label'), help: _('What people read instead of the host, in any script. Empty: the host.'), kind: 'string', row: true, high: 64 },
		{ name: 'family', title: _('IP version'), help: _('IP version for a name; auto: as it resolves.'), kind: 'enum', placeholder: 'auto', choices: ["auto", "4", "6"] },
		{ name: 'enabled', title: _('Enabled'), help: _('0 pauses the target: no probes, its history stays.'), kind: 'bool', placeholder: '1', row: true },
		{ name: 'method', title: _('Method'), help: _('What to probe with. ICMP passes some firewalls that drop UDP. tcp (SYN) and tcp-connect need a port, and disturb a service: ask its owner. All but udp, icmp and tcp-connect need raw sockets.'), kind: 'enum', placeholder: 'udp', choices: ["udp", "icmp", "tcp", "tcp-connect", "udplite", "dccp", "raw"], row: true },
		{ name: 'port', title: _('Port'), help: _('Destination port. 0: 33434 for udp and dccp, 53 for udplite; icmp and raw have none, tcp has no default.'), kind: 'int', placeholder: '0', low: 0, high: 65535, pattern: '-?[0-9]+' },
		{ name: 'protocol', title: _('IP protocol'), help: _('IP protocol of method raw; 253 is for experiments (RFC 3692).'), kind: 'int', placeholder: '253', low: 1, high: 254, pattern: '-?[0-9]+' },
		{ name: 'source', title: _('Source'), help: _('The `config source` to leave by. Empty: the kernel\'s choice.'), kind: 'source' },
		{ name: 'interval_s', title: _('Interval'), help: _('Time between traces. Shorter sees changes sooner, and sends more.'), kind: 'int', placeholder: '300', row: true, unit: 's', low: 1, high: 86400, pattern: '-?[0-9]+' },
		{ name: 'jitter_pct', title: _('Jitter'), help: _('How much the interval varies, so that targets do not fall into step.'), kind: 'int', placeholder: '10', unit: '%', low: 0, high: 50, pattern: '-?[0-9]+' },
		{ name: 'queries', title: _('Probes per hop'), help: _('Probes per hop. More measure loss finer, and send more.'), kind: 'int', placeholder: '3', low: 1, high: 10, pattern: '-?[0-9]+' },
		{ name: 'first_ttl', title: _('First hop'), help: _('First hop to probe. Above 1 leaves out what is near, faults at home too.'), kind: 'int', placeholder: '1', unit: _('hops'), low: 1, high: 64, pattern: '-?[0-9]+' },
		{ name: 'max_ttl', title: _('Last hop'), help: _('Last hop to probe. A target further away counts as unreachable.'), kind: 'int', placeholder: '30', unit: _('hops'), low: 1, high: 64, pattern: '-?[0-9]+' },
		{ name: 'wait_s', title: _('Wait'), help: _('How long a reply may take. Later ones count as lost.'), kind: 'float', placeholder: '3', unit: 's', low: 0.1, high: 10, pattern: '-?[0-9]+([.][0-9]+)?' },
		{ name: 'gap_limit', title: _('Silent hops'), help: _('Silent hops in a row that end a trace.'), kind: 'int', placeholder: '5', unit: _('hops'), low: 1, high: 30, pattern: '-?[0-9]+' },
		{ name: 'dscp', title: _('DSCP'), help: _('DSCP of the probes, to see the path of marked traffic.'), kind: 'int', placeholder: '0', low: 0, high: 63, pattern: '-?[0-9]+' },
		{ name: 'ecn', title: _('ECN'), help: _('ECN bits of the probes, to see who clears them. 1, 2: capable, 3: congested.'), kind: 'int', placeholder: '0', low: 0, high: 3, pattern: '-?[0-9]+' },
		{ name: 'flow_label', title: _('Flow label'), help: _('IPv6 flow label, by which load balancers choose. 0: one that follows from source and target.'), kind: 'int', placeholder: '0', low: 0, high: 1048575, pattern: '-?[0-9]+' },
		{ name: 'size', title: _('Probe size'), help: _('Size of a probe with its IP header. 0: 60 on IPv4, 80 on IPv6.'), kind: 'int', placeholder: '0', unit: _('bytes'), low: 68, high: 1280, zero: true, pattern: '-?[0-9]+' }
	];
}

return baseclass.extend({
	sections: function() {
		return [
			{
				type: 'agent', title: _('Agent'),
				help: _('The agent itself.'), single: true, nameless: false,
				options: [
					{ name: 'name', title: _('Name'), help: _('This agent in topics and on the page: 1 to 32 of a-z, 0-9 and -. Empty: the host name.'), kind: 'id', pattern: '[a-z0-9-]{1,32}' },
					{ name: 'max_pps', title: _('Most probes'), help: _('Ceiling over all probes of all targets. Lower makes rounds longer.'), kind: 'float', placeholder: '10', unit: _('probes/s'), low: 0.1, high: 10000, pattern: '-?[0-9]+([.][0-9]+)?' },
					{ name: 'watch_pps', title: _('Watching probes'), help: _('Single probes that watch all paths between traces; 0 leaves them unwatched.'), kind: 'float', placeholder: '1', unit: _('probes/s'), low: 0, high: 100, pattern: '-?[0-9]+([.][0-9]+)?' },
					{ name: 'concurrency', title: _('Traces side by side'), help: _('How many traces may run side by side.'), kind: 'int', placeholder: '16', low: 1, high: 256, pattern: '-?[0-9]+' },
					{ name: 'do_not_probe', title: _('Never probe'), help: _('Networks that asked not to be probed, such as 198.51.100.0/24: a target in one of them is never traced.'), kind: 'networks', list: true, datatype: 'or(cidr,ipaddr("nomask"))' },
					{ name: 'learn_h', title: _('Learning time'), help: _('How long a new target only learns its paths before changes notify. 0: at once.'), kind: 'float', placeholder: '24', unit: 'h', low: 0, high: 720, pattern: '-?[0-9]+([.][0-9]+)?' },
					{ name: 'db', title: _('History file'), help: _('File of the history. Empty: /etc/pathwarden/history.db on OpenWrt, /var/lib/pathwarden/history.db for root elsewhere, $XDG_STATE_HOME/pathwarden/history.db otherwise.'), kind: 'path', pattern: '/.*' },
					{ name: 'db_max_mb', title: _('History size'), help: _('Ceiling of the history; above it the oldest goes.'), kind: 'int', placeholder: '16', unit: 'MB', low: 1, high: 4096, pattern: '-?[0-9]+' },
					{ name: 'hop_metrics', title: _('Metrics of hops'), help: _('1: /metrics tells RTT and loss of each hop too, 2 series for each hop of each target.'), kind: 'bool', placeholder: '0' },
					{ name: 'live_dir', title: _('Folder in memory'), help: _('Folder in memory where measurements wait before they go to db. Empty: /var/run/pathwarden/live on OpenWrt and for root, $XDG_RUNTIME_DIR/pathwarden otherwise; without that they go to db at once.'), kind: 'path', pattern: '/.*' },
					{ name: 'flush_s', title: _('Time in memory'), help: _('How long they wait, which spares flash: a power cut costs as much of them. Events and changes of path never wait.'), kind: 'int', placeholder: '900', unit: 's', low: 10, high: 86400, pattern: '-?[0-9]+' },
					{ name: 'mmdb', title: _('Databases of networks'), help: _('Databases of networks and places in MaxMind\'s format (GeoLite2, DB-IP, IPinfo, or made by `pathwarden enrich update`); the first that knows a thing counts. Empty: the *.mmdb beside db and in /usr/share/GeoIP, /usr/local/share/GeoIP and /var/lib/GeoIP. What reads them is in the package pathwarden-tools.'), kind: 'paths', list: true, pattern: '/.*' },
					{ name: 'dns_lookups', title: _('Networks over DNS'), help: _('1: ask Team Cymru over DNS for networks that no database knows, by /24 and /48. It tells them and your resolver which networks your paths cross.'), kind: 'bool', placeholder: '0' }
				]
			},
			{
				type: 'defaults', title: _('Defaults'),
				help: _('What holds for every target that does not say otherwise.'), single: true, nameless: false,
				options: shared()
			},
			{
				type: 'target', title: _('Targets'),
				help: _('What to trace, one section per target; its name (1 to 32 of A-Z, a-z, 0-9 and _) is the target\'s id. Without any, the agent watches the default gateway, 1.1.1.1, 9.9.9.9 and one IPv6 address if there is a route.'), single: false, nameless: false,
				options: [
					{ name: 'host', title: _('Host'), help: _('What to trace: a name, an IPv4 or an IPv6 address. A name is resolved again and again, so it may move.'), kind: 'host', required: true, row: true, datatype: 'host' }
				].concat(shared())
			},
			{
				type: 'source', title: _('Sources'),
				help: _('A named way out for targets, with at least one option.'), single: false, nameless: false,
				options: [
					{ name: 'interface', title: _('Interface'), help: _('OpenWrt\'s interface to leave by, as /etc/config/network names it: wan. Follows its device, its addresses, and what mwan3 or pbr want. Elsewhere, a device of this name.'), kind: 'interface', row: true, pattern: '[A-Za-z0-9_.-]{1,64}' },
					{ name: 'device', title: _('Device'), help: _('Device to leave by, as `ip link` names it. Not beside interface.'), kind: 'device', row: true, pattern: '[!-.0-9;-~]{1,15}' },
					{ name: 'address', title: _('Own address'), help: _('Own address to send from.'), kind: 'address', datatype: 'ipaddr("nomask")' },
					{ name: 'table', title: _('Routing table'), help: _('Routing table, a number or a name of /etc/iproute2/rt_tables; a rule must lead to it.'), kind: 'table', low: 1, high: 4294967295, pattern: '[A-Za-z0-9_.-]{1,64}' },
					{ name: 'fwmark', title: _('Firewall mark'), help: _('Firewall mark of the probes, decimal or 0x..., for rules that look at it.'), kind: 'mark', low: 1, high: 4294967295, pattern: '0[xX][0-9a-fA-F]{1,8}|[1-9][0-9]{0,9}' },
					{ name: 'next_hop', title: _('Next hop'), help: _('Neighbour\'s address to hand the probes to, whatever the kernel\'s routes say. Needs raw sockets and a device.'), kind: 'address', datatype: 'ipaddr("nomask")' }
				]
			},
			{
				type: 'mqtt', title: _('MQTT'),
				help: _('The broker that is told about paths and changes.'), single: true, nameless: false,
				options: [
					{ name: 'host', title: _('Broker'), help: _('The broker. Empty: no MQTT.'), kind: 'host', row: true, datatype: 'host' },
					{ name: 'port', title: _('Port'), help: _('The broker\'s port.'), kind: 'int', placeholder: '1883', low: 1, high: 65535, pattern: '-?[0-9]+' },
					{ name: 'username', title: _('User name'), help: _('Name to sign in with. Empty: without signing in.'), kind: 'string', high: 128 },
					{ name: 'password_file', title: _('Password file'), help: _('File that holds the password and nothing else; not readable by everyone (chmod 600).'), kind: 'path', pattern: '/.*' },
					{ name: 'prefix', title: _('Topic prefix'), help: _('First part of every topic.'), kind: 'topic', placeholder: 'pathwarden', high: 128, pattern: '(?!\\$)[^+#/]+(/[^+#/]+)*' },
					{ name: 'tls', title: _('TLS'), help: _('1: speak TLS with the broker, and check its certificate; the port is usually 8883 then.'), kind: 'bool', placeholder: '0' },
					{ name: 'ca_file', title: _('CA certificate'), help: _('File with the certificate of who signed the broker\'s (PEM). Empty: those this machine trusts.'), kind: 'path', pattern: '/.*' },
					{ name: 'cert_file', title: _('Own certificate'), help: _('File with our own certificate (PEM), for a broker that wants one. Beside key_file.'), kind: 'path', pattern: '/.*' },
					{ name: 'key_file', title: _('Private key'), help: _('File with its private key (PEM, without a passphrase); not readable by everyone (chmod 600).'), kind: 'path', pattern: '/.*' },
					{ name: 'discovery', title: _('Discovery prefix'), help: _('Home Assistant\'s discovery prefix: the agent and each target become a device there. \'off\': none.'), kind: 'topic', placeholder: 'homeassistant', high: 128, pattern: '(?!\\$)[^+#/]+(/[^+#/]+)*' },
					{ name: 'publish_results', title: _('Publish traces'), help: _('1: publish every trace, too, as RIPE Atlas JSON. On OpenWrt this needs the package pathwarden-tools.'), kind: 'bool', placeholder: '0' },
					{ name: 'allow_add', title: _('Targets by command'), help: _('1: whoever may send commands may add targets, 20 at most, and remove those: probes go where they say.'), kind: 'bool', placeholder: '0' }
				]
			},
			{
				type: 'web', title: _('Page'),
				help: _('The page in the browser.'), single: true, nameless: false,
				options: [
					{ name: 'listen', title: _('Addresses'), help: _('Where the page listens: ADDRESS:PORT, [ADDRESS]:PORT, @INTERFACE:PORT for an interface\'s addresses, such as @lan:8866, or unix:PATH for a socket that a proxy on this machine asks (mode 660, the folder\'s group where that has g+s); several as a list. Not set: on OpenWrt @lan:8866, too. \'off\': no page.'), kind: 'listen', placeholder: '127.0.0.1:8866', list: true, pattern: 'off|(\\[[0-9a-fA-F:.]+\\]|[0-9.]+|@[A-Za-z0-9_.-]{1,64}):[1-9][0-9]{0,4}|unix:/.{1,106}' },
					{ name: 'root', title: _('Folder of the page'), help: _('Folder of the page\'s files. Empty: those that came with this program.'), kind: 'path', pattern: '/.*' },
					{ name: 'auth', title: _('Sign-in'), help: _('Who must sign in. auto: on OpenWrt whoever is not on the router itself, with its accounts; elsewhere the page is for this machine alone. password: everybody, with an account of password_file. none: nobody; others may only look then.'), kind: 'enum', placeholder: 'auto', choices: ["auto", "password", "none"] },
					{ name: 'password_file', title: _('Password file'), help: _('File with the accounts of auth password; `pathwarden password` writes it.'), kind: 'path', pattern: '/.*' },
					{ name: 'guests', title: _('Guests may look'), help: _('1: whoever reaches the page may look; signing in is for changes alone.'), kind: 'bool', placeholder: '0' }
				]
			},
			{
				type: 'hook', title: _('Hooks'),
				help: _('A program to run on events, as the daemon\'s user; as many as you like.'), single: false, nameless: true,
				options: [
					{ name: 'program', title: _('Program'), help: _('Executable that is run, without a shell; the event is JSON on its standard input.'), kind: 'program', required: true, row: true, pattern: '/.*' },
					{ name: 'event', title: _('Events'), help: _('Which events it gets, such as path_changed and target_unreachable. Empty: all.'), kind: 'events', choices: ["path_changed", "path_reverted", "path_attribute_changed", "path_unstable", "path_stable", "target_unreachable", "target_reachable", "target_address_changed", "latency_shift", "digest", "agent_started", "uplink_down", "uplink_up", "incident", "probe_error"], list: true, row: true },
					{ name: 'timeout_s', title: _('Time limit'), help: _('How long it may run before it is killed; the next event waits for it.'), kind: 'int', placeholder: '30', unit: 's', low: 1, high: 600, pattern: '-?[0-9]+' }
				]
			}
		];
	}
});
