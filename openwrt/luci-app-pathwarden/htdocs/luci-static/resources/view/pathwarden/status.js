'use strict';
'require uci';
'require view';
'require view.pathwarden.agent as agent';

const AT_HOME = /^@.*:([0-9]+)$/; /* a listener at an interface's addresses */

/* The port of the agent's own page, if it listens for others than the router itself; unset it does. */
function pagePort() {
	const listens = [].concat(uci.get_first('pathwarden', 'web', 'listen') || '@lan:8866');

	return listens.map((each) => (AT_HOME.exec(each) || [])[1]).find(Boolean);
}

function openPage(port) {
	return agent.signIn().then(function(code) {
		location.href = 'http://' + location.hostname + ':' + port + '/' + (code ? '#/sign-in?code=' + encodeURIComponent(code) : '');
	});
}

return view.extend({
	load: function() {
		return uci.load('pathwarden');
	},

	render: function() {
		const port = pagePort();
		const button = port && E('button', { 'id': 'own-page', 'class': 'btn cbi-button', 'click': () => openPage(port) }, [_('Open the page on its own')]);

		return E('div', {}, [agent.show('#/'), button ? E('div', { 'class': 'right' }, [button]) : '']);
	},

	handleSave: null,
	handleSaveApply: null,
	handleReset: null
});
