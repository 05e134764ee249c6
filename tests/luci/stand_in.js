/* A small stand-in for LuCI: its loader, E() and _(), rpc, uci, form, fs and poll, as far as the views use them, and as strict as LuCI is. */
'use strict';

(function() {
	const RESOURCES = '/luci-static/resources';
	const REQUIRE = /^'require ([a-z_.]+)(?: as ([a-z_]+))?';$/gm;
	const MODULES = {};

	window._ = (text) => (window.TR || {})[text] || text;

	String.prototype.format = function() {
		const values = Array.from(arguments);

		return this.replace(/%([sd%])/g, (_all, kind) => kind === '%' ? '%' : String(values.shift()));
	};

	/* As LuCI's: in a list all but nodes is text; a lone string is markup. */
	function append(node, children) {
		if (Array.isArray(children)) {
			for (const child of children)
				if (child instanceof Node)
					node.appendChild(child);
				else if (child != null)
					node.appendChild(document.createTextNode(String(child)));
		}
		else if (children instanceof Node)
			node.appendChild(children);
		else if (children != null)
			node.innerHTML = String(children);
	}

	window.E = function(tag, attrs, children) {
		const node = document.createElement(tag);

		for (const [name, value] of Object.entries(attrs || {}))
			if (typeof(value) === 'function')
				node.addEventListener(name, value);
			else if (value != null)
				node.setAttribute(name, value);

		append(node, children);

		return node;
	};

	function makeClass(proto) {
		const made = function() {};

		made.prototype = proto;
		made.extend = (more) => makeClass(Object.assign(Object.create(proto), more));

		return made;
	}

	async function load(name) {
		const answer = await fetch(RESOURCES + '/' + name.replace(/\./g, '/') + '.js');

		if (!answer.ok)
			throw new Error('no class ' + name);

		const source = await answer.text();
		const wanted = [...source.matchAll(REQUIRE)].map(([, path, as]) => [path, as || path.replace(/[^a-z]/g, '_')]);
		const parts = await Promise.all(wanted.map(([path]) => require(path)));
		const factory = (0, eval)('(function(window, document, L' + wanted.map(([, as]) => ', ' + as).join('') + ') { ' + source + '\n})');
		const made = factory(window, document, L, ...parts);

		if (typeof(made) !== 'function' || !made.extend)
			throw new Error(name + ' gives no class');

		return new made();
	}

	function require(name) {
		return MODULES[name] = MODULES[name] || load(name);
	}

	function raise(type, message) {
		const error = new Error(message);

		error.name = type;
		throw error;
	}

	async function call(object, method, params, strict) {
		const answer = await fetch('/ubus', { method: 'POST', body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'call', params: ['0'.repeat(32), object, method, params] }) });

		if (!answer.ok)
			raise('RPCError', 'RPC call to %s/%s failed with HTTP error %d: ?'.format(object, method, answer.status));

		const said = await answer.json();

		if (said.error)
			raise('RPCError', 'RPC call to %s/%s failed with error %d: %s'.format(object, method, said.error.code, said.error.message));

		if (strict && said.result[0] !== 0)
			raise('RPCError', 'RPC call to %s/%s failed with ubus code %d: ?'.format(object, method, said.result[0]));

		return said.result.length > 1 ? said.result[1] : said.result[0];
	}

	const rpc = {
		declare: (said) => function() {
			const params = {};

			(said.params || []).forEach((name, index) => { params[name] = arguments[index]; });

			return call(said.object, said.method, params, said.reject).then((reply) => said.expect && typeof(reply) !== 'object' ? said.expect[''] : reply);
		}
	};

	const uci = {
		values: {},
		load: async (name) => { uci.values[name] = (await call('uci', 'get', { config: name }, true)).values; },
		sections: (name, type) => Object.values(uci.values[name]).filter((section) => !type || section['.type'] === type),
		get: (name, section) => uci.values[name][section] || null,
		add: (name, type, section) => {
			const id = section || 'new' + Object.keys(uci.values[name]).length;

			uci.values[name][id] = { '.name': id, '.type': type };

			return id;
		},
		get_first: (name, type, option) => (uci.sections(name, type)[0] || {})[option],
		set: (name, section, option, value) => { uci.values[name][section][option] = value; },
		unset: (name, section, option) => { delete uci.values[name][section][option]; }
	};

	const HOST = /^(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?$/;
	const FOUR = /^([0-9]{1,3}\.){3}[0-9]{1,3}$/;
	const SIX = /^[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*$/;
	const address = (value) => FOUR.test(value) || SIX.test(value);
	const TYPES = {
		'string': () => true,
		'host': (value) => HOST.test(value) || address(value),
		'ipaddr("nomask")': address,
		'or(cidr,ipaddr("nomask"))': (value) => address(value.replace(/\/[0-9]+$/, ''))
	};

	function Field(section, option, title, help) {
		Object.assign(this, { section: section, option: option, title: title, help: help, choices: [], datatype: 'string' });
	}

	Field.prototype.value = function(value, words) {
		this.choices.push([value, words === undefined ? value : words]);
	};

	/* What is wrong with a value, or ''. */
	Field.prototype.wrong = function(id, value) {
		if (value === '' || value == null)
			return this.rmempty && this.optional ? '' : 'is empty';

		if (!TYPES[this.datatype](value))
			return 'Expecting: ' + this.datatype;

		const said = this.validate ? this.validate(id, value) : true;

		return said === true ? '' : said;
	};

	Field.prototype.texts = function(id) {
		return [].concat(this.cfgvalue(id) || []);
	};

	Field.prototype.cfgvalue = function(id) {
		const value = uci.values[this.section.map.config][id][this.option];

		return value === undefined ? null : value;
	};

	/* Markup, as LuCI has it. */
	Field.prototype.textvalue = function(id) {
		const value = this.cfgvalue(id);

		return value && [].concat(value).join(' ').replace(/&/g, '&amp;').replace(/</g, '&lt;');
	};

	Field.prototype.render = function(id) {
		const name = this.section.type + '.' + id + '.' + this.option;

		return E('div', { 'class': 'cbi-value' }, [
			E('label', { 'class': 'cbi-value-title', 'for': name }, [this.title]),
			this.input(name, id),
			E('div', { 'class': 'cbi-value-description' }, [this.help]),
			E('div', { 'class': 'cbi-value-error', 'role': 'alert' })
		]);
	};

	Field.prototype.input = function(name, id) {
		return E('input', { 'id': name, 'value': this.texts(id).join(' '), 'placeholder': this.placeholder });
	};

	function ListValue() { Field.apply(this, arguments); }
	ListValue.prototype = Object.create(Field.prototype);
	ListValue.prototype.input = function(name, id) {
		const now = this.texts(id)[0] || '';

		return E('select', { 'id': name }, this.choices.map(([value, words]) => E('option', { 'value': value, 'selected': value === now ? '' : null }, [words])));
	};

	function DynamicList() { Field.apply(this, arguments); }
	DynamicList.prototype = Object.create(Field.prototype);

	function Section(map, type, title, help) {
		Object.assign(this, { map: map, type: type, title: title, help: help, fields: [] });
	}

	Section.prototype.option = function(kind, option, title, help) {
		const field = new kind(this, option, title, help);

		this.fields.push(field);

		return field;
	};

	/* What stands above the rows; a list of sections has a table there. */
	Section.prototype.head = function(ids) {
		return ids.length ? [] : [E('em', {}, ['This section contains no values yet'])];
	};

	Section.prototype.render = function() {
		const ids = uci.sections(this.map.config, this.type).map((one) => one['.name']);
		const rows = uci.sections(this.map.config, this.type).map((one) => E('div', { 'class': 'cbi-section-node' }, [E('h3', {}, [one['.name']])].concat(this.fields.map((field) => field.render(one['.name'])))));

		return E('div', { 'class': 'cbi-section', 'data-type': this.type }, [E('h3', {}, [this.title]), E('p', {}, [this.help])].concat(this.head(ids), rows));
	};

	/* LuCI opens the fields of a row in a window over the page; here they stand below the table. */
	function GridSection() { Section.apply(this, arguments); }
	GridSection.prototype = Object.create(Section.prototype);
	GridSection.prototype.head = function(ids) {
		const columns = this.fields.filter((field) => !field.modalonly);
		const cell = (field, id) => E('td', { 'class': 'td', 'data-title': field.title, 'data-name': field.option }, field.textvalue(id) || E('em', {}, ['none']));
		const titles = E('tr', { 'class': 'tr cbi-section-table-titles' }, columns.map((field) => E('th', { 'class': 'th' }, [field.title])));

		return [E('table', { 'class': 'table cbi-section-table' }, [titles].concat(ids.map((id) => E('tr', { 'class': 'tr', 'data-sid': id }, columns.map((field) => cell(field, id))))))];
	};

	function Map_(config, title, help) {
		Object.assign(this, { config: config, title: title, help: help, parts: [] });
		L.map = this;
	}

	Map_.prototype.section = function(kind, type, title, help) {
		const section = new kind(this, type, title, help);

		this.parts.push(section);

		return section;
	};

	Map_.prototype.render = async function() {
		return E('div', { 'class': 'cbi-map' }, [E('h2', {}, [this.title]), E('p', {}, [this.help])].concat(this.parts.map((part) => part.render())));
	};

	/* Writes what is typed; gives what was wrong, by field. */
	Map_.prototype.save = function() {
		const wrong = {};

		for (const part of this.parts)
			for (const { '.name': id } of uci.sections(this.config, part.type))
				for (const field of part.fields) {
					const input = document.getElementById(part.type + '.' + id + '.' + field.option);
					const texts = field instanceof DynamicList ? input.value.split(' ').filter(Boolean) : [input.value];
					const found = texts.map((text) => field.wrong(id, text)).filter(Boolean);

					input.parentNode.querySelector('.cbi-value-error').textContent = found.join(' ');
					if (found.length)
						wrong[input.id] = found.join(' ');
					else if (input.value === '')
						uci.unset(this.config, id, field.option);
					else
						uci.set(this.config, id, field.option, field instanceof DynamicList ? texts : texts[0]);
				}

		return wrong;
	};

	const fs = {
		exec_direct: async (command, args) => {
			const answer = await fetch('/cgi-bin/cgi-exec', { method: 'POST', body: [command].concat(args).join(' ') });

			return answer.ok ? answer.text() : raise('PermissionError', 'Access to command denied');
		}
	};

	window.L = {
		env: {},
		polled: [],
		uci: uci,
		writes: true,
		hasViewPermission: () => L.writes,
		resource: (path) => RESOURCES + '/' + path,
		url: (path) => '/cgi-bin/luci/' + path,
		resolveDefault: (promise, value) => Promise.resolve(promise).catch(() => value),
		/* Shows a view, or a block of the overview, as LuCI does. */
		show: async (name) => {
			const shown = await require('view.' + name.replace(/\//g, '.'));
			const data = await (shown.load ? shown.load() : null);
			const nodes = await shown.render(data);
			const place = document.getElementById('view');

			/* The overview leaves out a block without content. */
			place.replaceChildren(...(shown.title && nodes ? [E('h3', {}, [shown.title])] : []), nodes || '');
			L.shown = true;
		}
	};

	MODULES.baseclass = makeClass({});
	MODULES.view = makeClass({});
	MODULES.rpc = rpc;
	MODULES.uci = uci;
	MODULES.fs = fs;
	MODULES.poll = { add: (run) => L.polled.push(run) };
	MODULES.form = { Map: Map_, TypedSection: Section, GridSection: GridSection, Value: Field, ListValue: ListValue, DynamicList: DynamicList };
})();
