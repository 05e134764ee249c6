'use strict';
'require view';
'require view.pathwarden.agent as agent';

return view.extend({
	render: function() {
		return agent.show('#/map');
	},

	handleSave: null,
	handleSaveApply: null,
	handleReset: null
});
