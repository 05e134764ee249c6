'use strict';
'require form';
'require uci';
'require view';
'require view.pathwarden.schema as schema';

/* Which numbers or words an option takes: '1..86400 s', 'udp, icmp'; '' if its help says it. */
function limits(option) {
	if (option.low == null)
		return '';

	return (option.zero ? '0, ' : '') + option.low + '..' + option.high + (option.unit ? ' ' + option.unit : '');
}

function fits(option, value) {
	if (option.pattern && !new RegExp('^(?:' + option.pattern + ')$').test(value))
		return false;

	if (option.low != null && !isNaN(value))
		return (option.zero && Number(value) === 0) || (Number(value) >= option.low && Number(value) <= option.high);

	return option.low != null || option.high == null || Array.from(value).length <= option.high;
}

/* What is wrong with a value, or true: LuCI's form asks this way. */
function check(option, value) {
	if (value === '' || value == null || fits(option, String(value)))
		return true;

	const remedy = limits(option);

	return _('%s: "%s" does not fit.').format(option.title, value) + ' ' + (remedy ? _('Allowed: %s').format(remedy) : option.help);
}

function described(option) {
	const said = limits(option);

	return said ? option.help + ' [' + said + ']' : option.help;
}

/* Where an empty value has a meaning of its own, the list says it. */
function fill(field, option, section) {
	const inherits = section.type === 'target';

	if (option.kind === 'bool') {
		field.value('', inherits ? _('as in the defaults') : option.placeholder === '1' ? _('yes (default)') : _('no (default)'));
		field.value('1', _('yes'));
		field.value('0', _('no'));
	}
	else if (option.kind === 'source') {
		field.value('', inherits ? _('as in the defaults') : _('the kernel’s choice'));
		uci.sections('pathwarden', 'source').forEach((source) => field.value(source['.name']));
	}
	else if (option.kind === 'enum') {
		field.value('', inherits ? _('as in the defaults') : _('%s (default)').format(option.placeholder));
		option.choices.forEach((choice) => field.value(choice));
	}
	else {
		(option.choices || []).forEach((choice) => field.value(choice));
	}
}

/* What stands in a row of the list: the value in force, the default's too; a node, since LuCI takes a text for markup. */
function shown(field, option, id) {
	const value = [].concat(field.cfgvalue(id) || field.placeholder || []).join(' ');
	const word = option.kind === 'bool' && { '0': _('no'), '1': _('yes') }[value];

	return value === '' ? null : E('span', {}, [word || value, option.unit ? ' ' + option.unit : '']);
}

function widget(option) {
	if (option.list)
		return form.DynamicList;

	return ['bool', 'enum', 'source'].includes(option.kind) ? form.ListValue : form.Value;
}

function addOption(place, section, option) {
	const field = place.option(widget(option), option.name, option.title, described(option));

	field.rmempty = !option.required;
	field.optional = !option.required;
	field.placeholder = (section.type === 'target' && uci.get_first('pathwarden', 'defaults', option.name)) || option.placeholder;
	field.datatype = option.datatype || 'string';
	field.validate = (_id, value) => check(option, value);
	field.modalonly = !section.single && !option.row;
	field.textvalue = (id) => shown(field, option, id);
	fill(field, option, section);
}

/* LuCI's form offers no fields for a section that the file does not have. It comes into the file when something is saved. */
function supply(section) {
	if (section.single && !uci.sections('pathwarden', section.type).length)
		uci.add('pathwarden', section.type, uci.get('pathwarden', section.type) ? null : section.type);
}

function addSection(map, section) {
	const place = map.section(section.single ? form.TypedSection : form.GridSection, section.type, section.title, section.help);

	place.anonymous = section.single || section.nameless;
	place.addremove = !section.single;
	place.nodescriptions = true; /* they stand in the form that Edit opens */
	section.options.forEach((option) => addOption(place, section, option));
}

return view.extend({
	load: function() {
		return uci.load('pathwarden');
	},

	render: function() {
		const map = new form.Map('pathwarden', _('Settings'), _('An empty field means its default. What a target does not say comes from the defaults.'));

		map.tabbed = true;
		schema.sections().forEach(supply);
		schema.sections().forEach((section) => addSection(map, section));

		return map.render();
	}
});
