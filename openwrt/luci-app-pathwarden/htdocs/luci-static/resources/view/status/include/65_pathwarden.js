'use strict';
'require baseclass';
'require view.pathwarden.agent as agent';

const STATES = {
	ok: _('OK'),
	degraded: _('Degraded'),
	unstable: _('Unstable'),
	unreachable: _('Unreachable'),
	paused: _('Paused'),
	error: _('Cannot probe'),
	unknown: _('Not known yet')
};

const DENIED = 403;

function number(value, digits) {
	return value == null ? '–' : value.toFixed(digits);
}

function row(state) {
	return [
		E('a', { 'href': L.url('admin/services/pathwarden/status') + '#/target/' + encodeURIComponent(state.target) }, [state.name]),
		STATES[state.state] || state.state,
		number(state.rtt_ms, 1),
		number(state.loss_pct, 0),
		state.path_label || '–'
	];
}

return baseclass.extend({
	title: _('Path Monitor'),

	/* Null from an agent that is not there, undefined for who may not look: LuCI leaves out a block without content. */
	load: function() {
		return agent.summary().catch((error) => error.status === DENIED ? undefined : null);
	},

	render: function(summary) {
		const titles = [_('Target'), _('State'), _('Latency (ms)'), _('Packet loss (%)'), _('Path')];

		if (summary === undefined)
			return null;

		if (!summary)
			return E('p', {}, [E('em', {}, [_('The path monitor does not answer.')])]);

		const head = E('tr', { 'class': 'tr table-titles' }, titles.map((title) => E('th', { 'class': 'th' }, [title])));
		const rows = summary.targets.map((state) => E('tr', { 'class': 'tr' }, row(state).map((content, index) => E('td', { 'class': 'td', 'data-title': titles[index] }, [content]))));

		return E('table', { 'class': 'table' }, [head].concat(rows));
	}
});
