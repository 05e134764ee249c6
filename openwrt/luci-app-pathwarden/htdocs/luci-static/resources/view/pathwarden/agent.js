'use strict';
'require baseclass';
'require rpc';

/* The agent as the views of its own page know it (its api.js), asked over ubus instead of HTTP. */

const MOST_CHANGES = 100; /* more do not go into one message of ubus */
/* Answers that say no: ubus' statuses, and JSON-RPC's code for what the access list refuses. With any other the agent is not there. */
const SAYS_NO = { '2': 400, '3': 501, '4': 404, '6': 403, '8': 501, '9': 500, '11': 500, '13': 500, '-32002': 403 };
const NO_PICTURE = { 404: 'no_trace', 501: 'not_installed' };
const NUMBER = /-?\d+/;
const TAG = /^[a-z]{2,3}(-[A-Za-z0-9]+)*$/;

function declare(method, params) {
	return rpc.declare({ object: 'pathwarden', method: method, params: params, expect: { '': {} }, reject: true });
}

const calls = {
	status: declare('status'),
	summary: declare('summary'),
	targets: declare('targets'),
	target: declare('target', ['id']),
	paths: declare('paths', ['id']),
	series: declare('series', ['id', 'from', 'to', 'points']),
	heatmap: declare('heatmap', ['id', 'from', 'to', 'columns']),
	trace_asked: declare('trace_asked', ['asked']),
	trace_at: declare('trace_at', ['id', 'at']),
	diff: declare('diff', ['id', 'a', 'b']),
	changes: declare('changes', ['since_seq', 'before_seq', 'target', 'from', 'to', 'limit']),
	incidents: declare('incidents', ['limit']),
	graph: declare('graph', ['target', 'at', 'theme', 'lang', 'before']),
	map: declare('map', ['target', 'at', 'theme', 'lang', 'width']),
	sign_in: declare('sign_in'),
	trace_now: declare('trace_now', ['target']),
	mute: declare('mute', ['id', 'for_s', 'a', 'b']),
	accept_path: declare('accept_path', ['id']),
	note: declare('note', ['id', 'note'])
};

/* What LuCI's rpc says in words, as the page takes it: a TypeError is an agent that cannot be reached, a status is an answer. */
function explained(error) {
	const status = error.name === 'RPCError' && SAYS_NO[(NUMBER.exec(error.message) || [])[0]];

	return status ? Object.assign(new Error(error.message), { status: status }) : new TypeError(error.message);
}

function ask(name) {
	return calls[name].apply(null, Array.prototype.slice.call(arguments, 1)).catch(function(error) {
		throw explained(error);
	});
}

/* A picture as the text of an SVG; why there is none is said as HTTP's codes say it. */
function draw(kind, query, more) {
	return ask(kind, query.target, query.at, query.theme, query.lang, more).then((drawn) => drawn.svg, function(error) {
		throw Object.assign(error, { code: NO_PICTURE[error.status] });
	});
}

function makeSource() {
	let offsetMs = 0;

	/* A router without a battery may live in another year than the reader. */
	function timed(answer) {
		offsetMs = Date.parse(answer.ts) - Date.now();

		return answer;
	}

	return {
		now: () => Date.now() + offsetMs,
		/* Null where LuCI does not know. */
		mayWrite: () => L.hasViewPermission() !== false,
		status: () => ask('status').then(timed),
		summary: () => ask('summary').then(timed),
		targets: () => ask('targets'),
		target: (id) => ask('target', id),
		paths: (id) => ask('paths', id),
		series: (id, query) => ask('series', id, query.from, query.to, query.points),
		heatmap: (id, query) => ask('heatmap', id, query.from, query.to, query.columns),
		traceAt: (id, at) => ask('trace_at', id, at),
		diff: (query) => ask('diff', query.target, query.a, query.b),
		changes: (query) => ask('changes', query.since_seq, query.before_seq, query.target, query.from, query.to, Math.min(query.limit, MOST_CHANGES)),
		incidents: (limit) => ask('incidents', limit),
		graph: (query) => draw('graph', query, query.before),
		map: (query) => draw('map', query, query.width),
		traceNow: (id) => ask('trace_now', id),
		traceAsked: (asked) => ask('trace_asked', asked),
		mute: (id, wish) => ask('mute', id, wish.for_s, (wish.pair || [])[0], (wish.pair || [])[1]),
		acceptPath: (id) => ask('accept_path', id),
		note: (id, text) => ask('note', id, text)
	};
}

/* LuCI's language first; the theme writes it into the document. */
function languages() {
	return [document.documentElement.lang.replace('_', '-'), 'en'].filter((tag) => TAG.test(tag));
}

return baseclass.extend({
	summary: function() {
		return ask('summary');
	},

	/* The code by which the agent's own page takes over LuCI's session; null where nobody signs in there. */
	signIn: function() {
		return ask('sign_in').then((answer) => answer.code, () => null);
	},

	/* The page's place in a view. `home` is what is shown unless the address says otherwise. */
	show: function(home) {
		const place = E('div', { 'id': 'page' }, [E('p', { 'class': 'spinning' }, [_('Loading…')])]);

		if (!location.hash)
			history.replaceState(null, '', home);

		/* LuCI puts the place into the document as soon as it has it. The address is whole, for LuCI evaluates this text and not a file. */
		window.setTimeout(function() {
			import(new URL(L.resource('pathwarden/embed.js'), document.baseURI).href).then(function(page) {
				return page.embed(makeSource(), languages());
			}).catch(function(error) {
				place.replaceChildren(E('p', { 'class': 'alert-message error' }, [_('The page could not be loaded: %s').format(error.message)]));
			});
		}, 0);

		return place;
	}
});
