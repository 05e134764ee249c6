'use strict';
'require view';
'require view.pathwarden.agent as agent';

return view.extend({
	render: function() {
		return agent.show('#/graph');
	},

	handleSave: null,
	handleSaveApply: null,
	handleReset: null
});
