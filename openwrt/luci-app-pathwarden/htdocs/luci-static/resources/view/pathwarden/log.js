'use strict';
'require fs';
'require poll';
'require view';

const EVERY_S = 5;

function read() {
	return fs.exec_direct('/sbin/logread', ['-e', 'pathwarden']).then(function(text) {
		return text.trim() || _('The log has no line of the path monitor.');
	}, function(error) {
		return _('The log cannot be read: %s').format(error.message);
	});
}

return view.extend({
	load: read,

	render: function(text) {
		const lines = E('textarea', {
			'id': 'pathwarden-log', 'readonly': 'readonly', 'wrap': 'off', 'rows': 30, 'spellcheck': 'false',
			'style': 'width: 100%; font-family: monospace', 'aria-label': _('Log')
		}, [text]);

		poll.add(function() {
			return read().then(function(now) {
				if (lines.value !== now)
					lines.value = now;
			});
		}, EVERY_S);

		return E('div', { 'class': 'cbi-map' }, [
			E('h2', {}, [_('Log')]),
			E('p', { 'class': 'cbi-map-descr' }, [_('What the path monitor wrote to the system log, newest last.')]),
			E('div', { 'class': 'cbi-section' }, [lines])
		]);
	},

	handleSave: null,
	handleSaveApply: null,
	handleReset: null
});
